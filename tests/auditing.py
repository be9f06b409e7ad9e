"""Audit a page in a browser with axe-core: what would keep a reader from reading it."""

from spectralgrad.book import building

_SOURCE = building.root() / "node_modules" / "axe-core" / "axe.min.js"

_PREPARE = """() => {
  for (const e of document.querySelectorAll("details")) e.open = true;
  for (const e of document.querySelectorAll(".toggle-hidden")) e.classList.remove("toggle-hidden");
  // The pictures of formulas are hidden from screen readers, which read the text beside them; the
  // parts of that text have no rules.
  for (const e of document.querySelectorAll("mjx-container > svg[aria-hidden]")) e.remove();
  for (const e of document.querySelectorAll("mjx-container math")) e.append(e.textContent);
  for (const e of document.querySelectorAll("mjx-container math > *")) e.remove();
}"""

# Contrast is the costliest of the rules and the only one that depends on the mode. It is measured
# three times for each look, for text of one colour, size and weight on one ground has one contrast,
# in each mode, and axe-core may be unable to tell it at a place. A single letter it takes for an
# icon.
_LOOK = """() => {
  const grounds = new Map([[null, ""]]);
  const ground = e => {
    if (!grounds.has(e)) {
      const s = getComputedStyle(e);
      grounds.set(e, [ground(e.parentElement), s.backgroundColor, s.opacity].join("|"));
    }
    return grounds.get(e);
  };
  for (const e of document.querySelectorAll("body *")) {
    const texts = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim());
    if (texts.join("").length > 1 && e.checkVisibility()) {
      const s = getComputedStyle(e);
      e.look = [e.look, s.color, s.fontSize, s.fontWeight, ground(e)].join();
    }
  }
}"""
_CHOOSE = """() => {
  const looks = new Map();
  window.chosen = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.look) continue;
    looks.set(e.look, (looks.get(e.look) ?? 0) + 1);
    if (looks.get(e.look) <= 3) window.chosen.push(e);
  }
  const kept = new Set(window.chosen);
  for (const e of document.querySelectorAll(".highlight span")) {
    if (!kept.has(e) && !e.childElementCount) e.replaceWith(e.textContent);
  }
}"""
_AUDIT = """async ([colours, frame]) => {
  const settings = {resultTypes: ["violations"], preload: false};
  const rules = colours ? {runOnly: ["color-contrast"]}
    : {rules: {"color-contrast": {enabled: false}}};
  const where = colours ? window.chosen : frame ? document : "article";
  const found = await axe.run(where, {...settings, ...rules});
  return found.violations.flatMap(v => v.nodes.map(n =>
    `${v.impact}: ${v.id}: ${n.target}: ${[...n.any, ...n.all, ...n.none].map(c => c.message)}`
  ));
}"""


def findings(page, *, frame=True):
    """List what axe-core finds on a page, in both modes, with its impact, rule and place.

    Without its frame, what stands around the article is looked at for contrast only. The page is
    not what it was afterwards: what is folded is open, and formulas are gone.
    """
    # Not as a script of the page, where it would count among what the page asks for.
    page.evaluate(_SOURCE.read_text(encoding="utf-8"))
    page.evaluate(_PREPARE)
    for scheme in ("light", "dark"):
        _switch(page, scheme)
        page.evaluate(_LOOK)
    page.evaluate(_CHOOSE)
    found = page.evaluate(_AUDIT, [False, frame])
    for scheme in ("dark", "light"):
        _switch(page, scheme)
        found += [f"{scheme}: {finding}" for finding in page.evaluate(_AUDIT, [True, frame])]
    return found


def _switch(page, scheme):
    page.emulate_media(color_scheme=scheme)
    root = "document.documentElement.dataset"
    page.wait_for_function(f"!{root}.mode || {root}.theme === '{scheme}'")
    # What fades in would be measured while it is pale.
    page.evaluate("document.getAnimations().forEach(a => a.finish())")
