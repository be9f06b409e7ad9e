"""Audit a page in a browser with axe-core: what would keep a reader from reading it."""

from spectralgrad import book

_SOURCE = book.root() / "node_modules" / "axe-core" / "axe.min.js"

# Contrast is the costliest of the rules and the only one that depends on the mode. It is measured
# three times for each look, for text of one colour, size and weight on one ground has one contrast,
# and axe-core may be unable to tell it at a place. A single letter it takes for an icon.
_AUDIT = """async ({only_colours}) => {
  for (const e of document.querySelectorAll("details")) e.open = true;
  for (const e of document.querySelectorAll(".toggle-hidden")) e.classList.remove("toggle-hidden");
  // What fades in would be measured while it is pale.
  document.getAnimations().forEach(a => a.finish());
  // The pictures of formulas are hidden from screen readers, which read the text beside them; the
  // parts of that text have no rules.
  for (const e of document.querySelectorAll("mjx-container > svg[aria-hidden]")) e.remove();
  for (const e of document.querySelectorAll("mjx-container math")) e.append(e.textContent);
  for (const e of document.querySelectorAll("mjx-container math > *")) e.remove();

  const grounds = new Map([[null, ""]]);
  const ground = e => {
    if (!grounds.has(e)) {
      const s = getComputedStyle(e);
      grounds.set(e, [ground(e.parentElement), s.backgroundColor, s.opacity].join("|"));
    }
    return grounds.get(e);
  };
  const looks = new Map(), chosen = new Set();
  for (const e of document.querySelectorAll("body *")) {
    const texts = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim());
    if (texts.join("").length > 1 && e.checkVisibility()) {
      const s = getComputedStyle(e);
      const look = [s.color, s.fontSize, s.fontWeight, ground(e)].join();
      looks.set(look, (looks.get(look) ?? 0) + 1);
      if (looks.get(look) <= 3) chosen.add(e);
    }
  }
  for (const e of document.querySelectorAll(".highlight span")) {
    if (!chosen.has(e) && !e.childElementCount) e.replaceWith(e.textContent);
  }

  const settings = {resultTypes: ["violations"], preload: false};
  const colours = await axe.run([...chosen], {...settings, runOnly: ["color-contrast"]});
  const rest = only_colours ? [] : (await axe.run(
    {...settings, rules: {"color-contrast": {enabled: false}}})).violations;
  return [...colours.violations, ...rest].flatMap(v => v.nodes.map(n =>
    `${v.impact}: ${v.id}: ${n.target}: ${[...n.any, ...n.all, ...n.none].map(c => c.message)}`
  ));
}"""


def findings(page, *, only_colours=False):
    """List what axe-core finds on a page, with its impact, rule and place.

    The page is not what it was afterwards: what is folded is open, and formulas are gone.
    """
    # Not as a script of the page, where it would count among what the page asks for.
    page.evaluate(_SOURCE.read_text(encoding="utf-8"))
    return page.evaluate(_AUDIT, {"only_colours": only_colours})
