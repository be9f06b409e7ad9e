// The index of a survey: a table that can be sorted and filtered. Whatever comes from the data is
// put on the page as text.
(() => {
  "use strict";
  const { frameworks, rows } = window.SURVEY;
  const text = (cell) => document.createTextNode(cell.getValue() ?? "");

  function link(cell) {
    const value = cell.getValue();
    if (!value.endsWith(".html")) return text(cell);
    const anchor = document.createElement("a");
    anchor.href = value;
    anchor.textContent = "report";
    const { source, place } = cell.getData();
    anchor.setAttribute("aria-label", `report on ${source} ${place}`);
    return anchor;
  }

  const labelled = (title) => ({ elementAttributes: { "aria-label": `filter by ${title}` } });
  const column = (title, field, more) => ({
    title,
    field,
    formatter: text,
    headerFilter: "input",
    headerFilterParams: labelled(title),
    ...more,
  });
  const choice = (title, field) =>
    column(title, field, {
      headerFilter: "list",
      headerFilterFunc: "=",
      headerFilterParams: { valuesLookup: true, clearable: true, ...labelled(title) },
    });
  const number = (title, field, filter, placeholder) =>
    column(title, field, {
      sorter: "number",
      hozAlign: "right",
      headerFilterFunc: filter,
      headerFilterPlaceholder: placeholder,
    });

  const table = new Tabulator("#survey-table", {
    data: rows,
    layout: "fitData",
    maxHeight: "80vh",
    placeholder: "No matrix fits the filters.",
    columnDefaults: { maxInitialWidth: 340, headerSortTristate: true },
    columns: [
      column("source", "source", { sorter: "alphanum" }),
      column("place", "place", { sorter: "alphanum" }),
      { ...column("report", "report"), formatter: link },
      choice("look closer", "look"),
      ...frameworks.map(([name, title]) => choice(title, name)),
      choice("differentiable", "differentiable"),
      column("regimes", "regimes"),
      number("digits", "digits", "<=", "at most"),
      number("vector digits", "vector_digits", "<=", "at most"),
      number("rows", "rows", ">=", "at least"),
      number("columns", "columns", ">=", "at least"),
      choice("dtype", "dtype"),
      choice("problem", "problem"),
      column("message", "message"),
    ],
  });

  const shown = document.getElementById("survey-shown");
  const show = (number) => {
    shown.textContent = `${number} of ${rows.length} rows shown`;
  };
  table.on("dataFiltered", (_, found) => show(found.length));
  table.on("tableBuilt", () => {
    show(rows.length);
    // Tabulator sorts on a click only; a keyboard reaches what can be focused.
    for (const header of document.querySelectorAll("#survey-table .tabulator-sortable")) {
      const title = header.querySelector(".tabulator-col-title-holder");
      title.tabIndex = 0;
      title.setAttribute("role", "button");
      title.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        title.click();
      });
    }
  });
})();
