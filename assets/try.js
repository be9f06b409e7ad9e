// Loads the panels "Try it here" on the pages that hold one. Their pages are not all in one folder,
// but their scripts are beside this one.
"use strict";

if (document.querySelector(".sg-try")) {
  const here = document.currentScript.src;
  for (const name of ["ml-matrix.js", "spectral.js", "panel.js"]) {
    const script = document.createElement("script");
    script.src = new URL(name, here);
    // In this order.
    script.async = false;
    document.head.append(script);
  }
}
