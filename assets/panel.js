// The panel "Try it here": a matrix to edit, and beside it what follows. What is typed or pasted
// reaches the page as text only.
"use strict";

{
  const SIZES = [2, 3, 4, 5];
  const LARGEST = 1e9;
  const TOLERANCES = [
    ["", "rounding errors"],
    ["1e-10", "10⁻¹⁰"],
    ["1e-6", "10⁻⁶"],
    ["1e-3", "10⁻³"],
  ];

  // ---- in what the two problems differ; of functions and presets the first one is taken at first

  const nameOf = (problem, i) => spectral.name({ problem }, { start: i, stop: i + 1 });

  const one = (problem, k, first, last) =>
    Array.from({ length: k }, (_, i) => {
      const what = i === 0 ? ` (${first})` : i === k - 1 ? ` (${last})` : "";
      return [i, nameOf(problem, i) + what];
    });

  const sum = (problem, k, what) => [
    "sum",
    `${nameOf(problem, 0)} + ${k > 2 ? "… + " : ""}${nameOf(problem, k - 1)} (${what})`,
  ];

  const IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

  const PROBLEMS = {
    eigh: {
      title: "Eigenvalues",
      gradients: spectral.eigvalsh,
      conventions: ["symmetric", "lower", "upper"],
      blocks: "VᵀGV, where the columns of V are eigenvectors of A,",
      functions: (k) => [...one("eigh", k, "smallest", "largest"), sum("eigh", k, "trace")],
      presets: {
        "the question’s matrix": [
          [-2.1712612066011223, 0.41874519461504944, 1.548914756757526, -0.014905087793804173],
          [0.41874519461504944, 3.302873074194302, -3.293419645658176, -1.0678146255408283],
          [1.548914756757526, -3.293419645658176, -1.3577723032441087, -0.5386909285829566],
          [-0.014905087793804173, -1.0678146255408283, -0.5386909285829566, -0.8687025512370347],
        ],
        "two equal": [[2, 1, 1], [1, 2, 1], [1, 1, 2]],
        "nearly equal": [[1, 1e-6], [1e-6, 1.000002]],
        "identity": IDENTITY,
        "rank 1": [[1, 2, 3], [2, 4, 6], [3, 6, 9]],
      },
    },
    svd: {
      title: "Singular values",
      gradients: spectral.svdvals,
      conventions: [],
      blocks: "UᵀGV, where the columns of U and V are singular vectors of A,",
      functions: (k) => [
        sum("svd", k, "nuclear norm"),
        ...one("svd", k, "largest, the spectral norm", "smallest"),
      ],
      presets: {
        "the post’s rank-2 matrix": [
          [1, 2, 3, 4, 5],
          [6, 7, 8, 9, 0],
          [1, 2, 3, 4, 5],
          [6, 7, 8, 9, 0],
          [1, 2, 3, 4, 5],
        ],
        "the post’s full-rank matrix": [
          [2, 2, 3, 4, 5],
          [6, 7, 2, 9, 0],
          [1, 2, 2, 4, 5],
          [6, 2, 8, 9, 0],
          [1, 2, 3, 4, 5],
        ],
        "rank 1": [[1, 2], [2, 4]],
        "nearly rank 1": [[1, 2], [2, 4.000001]],
        "identity": IDENTITY,
        "zero, 2 × 3": [[0, 0, 0], [0, 0, 0]],
      },
    },
  };

  // ---- elements

  function fill(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  function element(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
  }

  function svg(tag, attributes, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }

  const div = (name, ...children) => element("div", { class: name }, ...children);

  function options(control, pairs) {
    control.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
    return control;
  }

  const labelled = (text, control) => element("label", {}, `${text} `, control);

  // ---- numbers and matrices

  // With four decimals where they say something. Beside `scale`, a rounding error is 0.
  function format(x, scale) {
    const size = Math.abs(x);
    if (size <= 1e-14 * scale) return "0";
    const text = size < 1e5 && size >= 1e-3 ? x.toFixed(4) : x.toExponential(2);
    return text.replaceAll("-", "−");
  }

  // Of a matrix, all entries with the same decimals.
  function formatEntry(x, limit) {
    if (Math.abs(x) <= 1e-14 * limit) return "0";
    const text = limit < 1e4 && limit >= 1e-2 ? x.toFixed(3) : x.toExponential(1);
    return text.replaceAll("-", "−");
  }

  const isFine = (x) => Math.abs(x) <= LARGEST;
  const isBad = (input) => !isFine(input.valueAsNumber);

  const greatest = (matrix) => Math.max(...matrix.to1DArray().map(Math.abs));

  // The ground of a number is the stronger the larger it is; red above 0, blue below.
  function table(caption, matrix, limit) {
    const rows = matrix.to2DArray().map((numbers) => {
      const cells = numbers.map((x) => {
        const share = limit > 0 ? Math.abs(x) / limit : 0;
        const style = `--share: ${share.toFixed(3)}`;
        return element("td", { class: x < 0 ? "below" : "above", style }, formatEntry(x, limit));
      });
      return element("tr", {}, ...cells);
    });
    return element(
      "table",
      { class: "numbers" },
      element("caption", {}, caption),
      element("tbody", {}, ...rows),
    );
  }

  // The rows of a text: lines of a file, or a list as Python writes it.
  function parse(text) {
    const lines = text.replaceAll("−", "-").split(/[\n;\]]/);
    const rows = lines.map((line) => line.split(/[\s,[]+/).filter((word) => word !== ""));
    return rows.filter((words) => words.length > 0).map((words) => words.map(Number));
  }

  // ---- pictures; the text beside them says the same

  // Equal values stand above one another; those without weight are hollow.
  function spectrumPicture(set) {
    const [low, high] = [Math.min(0, ...set.values), Math.max(0, ...set.values)];
    const at = (x) => (high > low ? 10 + (280 * (x - low)) / (high - low) : 150);
    const dots = set.clusters.flatMap(({ start, stop }) =>
      set.values.slice(start, stop).map((x, i) => {
        const kind = set.weights[start + i] === 0 ? "hollow" : "solid";
        return svg("circle", { cx: at(x), cy: 52 - 10 * i, r: 4, class: kind });
      }),
    );
    return svg(
      "svg",
      { viewBox: "0 6 300 70", class: "line", "aria-hidden": "true" },
      svg("line", { x1: 2, x2: 298, y1: 59, y2: 59 }),
      svg("line", { x1: at(0), x2: at(0), y1: 55, y2: 63 }),
      svg("text", { x: at(0), y: 75, "text-anchor": "middle" }, "0"),
      ...dots,
    );
  }

  // The answers that the sliders reach, around the one of smallest norm.
  function discPicture(x, y, flat) {
    return svg(
      "svg",
      { viewBox: "-56 -56 112 112", class: "disc", "aria-hidden": "true" },
      flat ? svg("line", { x1: -48, x2: 48 }) : svg("circle", { r: 48 }),
      svg("line", { x2: 48 * x, y2: -48 * y, class: "strong" }),
      svg("circle", { r: 4, class: "hollow" }),
      svg("circle", { cx: 48 * x, cy: -48 * y, r: 5, class: "solid" }),
    );
  }

  // Symmetric 2 × 2 matrices of one trace have two dimensions.
  function isDisc(set, undecided) {
    const [first] = undecided;
    const [rows, columns] = spectral.shape(set, first);
    const dimensions = spectral.isZero(set, first) ? rows * columns : (rows * (rows + 1)) / 2 - 1;
    return undecided.length === 1 && dimensions === 2;
  }

  // ---- the panel

  class Panel {
    constructor(root, number) {
      this.kind = root.dataset.problem;
      this.problem = PROBLEMS[this.kind];
      this.build(root, `sg-try-${number}`);
      const { matrix } = root.dataset;
      this.load(matrix ? JSON.parse(matrix) : Object.values(this.problem.presets)[0]);
    }

    build(root, id) {
      this.status = element("p", { class: "status", role: "status", id });
      this.heading = element("h3", {});
      this.gradient = div("side-by-side");
      this.panel = div(
        "panel",
        ...this.buildChoices(root),
        div("side-by-side", this.buildMatrix(), this.buildSpectrum()),
        this.status,
        div("result", this.heading, this.gradient, this.buildValid()),
      );
      root.append(this.panel);
      root.classList.add("ready");
    }

    buildChoices(root) {
      const { matrix: own } = root.dataset;
      const given = own ? { "your matrix": JSON.parse(own) } : {};
      const presets = Object.entries({ ...given, ...this.problem.presets }).map(([title, matrix]) =>
        element("button", { type: "button", click: () => this.load(matrix) }, title),
      );
      const sides = SIZES.map((n) => [n, n]);
      const size = () => options(element("select", { change: () => this.resize() }), sides);
      this.rows = size();
      this.columns = this.kind === "eigh" ? this.rows : size();
      this.choice = element("select", { change: () => this.weigh() });
      this.tolerance = options(element("select", { change: () => this.update() }), TOLERANCES);
      const sizes =
        this.kind === "eigh"
          ? [labelled("Rows and columns", this.rows)]
          : [labelled("Rows", this.rows), labelled("Columns", this.columns)];
      return [
        div("controls presets", "Start from", ...presets),
        div(
          "controls",
          ...sizes,
          labelled("Function f", this.choice),
          labelled("Equal to within", this.tolerance),
        ),
      ];
    }

    buildMatrix() {
      this.grid = element("div", {
        class: "grid",
        role: "group",
        "aria-label": "Matrix A",
        input: (event) => this.edit(event.target),
        keydown: (event) => this.move(event),
        paste: (event) => this.paste(event),
      });
      return div("half", element("h3", {}, "Matrix A"), this.grid);
    }

    buildSpectrum() {
      this.picture = div("result");
      this.spectrum = element("tbody", { input: () => this.weighFreely() });
      const heads = ["value", "gap to next", "weight in f"];
      const cells = heads.map((text) => element("th", { scope: "col" }, text));
      const head = element("thead", {}, element("tr", {}, element("td", {}), ...cells));
      const title = element("h3", {}, this.problem.title);
      return div("half", title, this.picture, element("table", {}, head, this.spectrum));
    }

    buildValid() {
      const walk = () => this.walk();
      const slider = (max, value) => element("input", { type: "range", max, value, input: walk });
      this.turn = slider(360, 0);
      this.share = slider(100, 100);
      this.mirror = element("input", { type: "checkbox", change: walk });
      this.blocks = element("ul", {});
      this.answer = div("");
      this.caption = element("figcaption", {});
      this.disc = element("figure", {}, discPicture(0, 0, true), this.caption);
      this.norm = element("p", { role: "status" });
      this.valid = div(
        "",
        element("h3", {}, "All valid answers"),
        element("p", {}, `G is valid exactly if ${this.problem.blocks} is 0 but for these blocks:`),
        this.blocks,
        div(
          "controls",
          labelled("Turn the basis", this.turn),
          labelled("From the smallest to the rim", this.share),
          labelled("Mirror the null vectors", this.mirror),
        ),
        div("side-by-side", this.answer, this.disc),
        this.norm,
      );
      return this.valid;
    }

    // ---- what the reader does

    load(matrix) {
      [this.rows.value, this.columns.value] = [matrix.length, matrix[0].length];
      this.layOut((i, j) => matrix[i][j]);
      this.choice.selectedIndex = 0;
      this.weigh();
    }

    resize() {
      const old = this.cells;
      this.layOut((i, j) => old[i]?.[j]?.value ?? 0);
      this.weigh();
    }

    // Every input has a name, and the message about it in its description.
    number(name, value) {
      return element("input", {
        type: "number",
        step: "any",
        value,
        "aria-label": name,
        "aria-describedby": this.status.id,
      });
    }

    layOut(entry) {
      const range = (size) => Array.from({ length: size }, (_, i) => i);
      const [m, n] = [this.rows, this.columns].map((control) => Number(control.value));
      this.cells = range(m).map((i) =>
        range(n).map((j) => this.number(`Row ${i + 1}, column ${j + 1}`, entry(i, j))),
      );
      this.grid.style.setProperty("--columns", n);
      this.grid.replaceChildren(...this.cells.flat());
      const k = Math.min(m, n);
      if (this.weights?.length === k) return;
      const names = range(k).map((i) => nameOf(this.kind, i));
      this.weights = names.map((name) => this.number(`Weight of ${name}`, 0));
      const chosen = this.choice.value;
      options(this.choice, [...this.problem.functions(k), ["own", "weights of your own"]]);
      this.choice.value = chosen === "own" ? "" : chosen;
      if (this.choice.selectedIndex < 0) this.choice.selectedIndex = 0;
      this.spectrum.replaceChildren(
        ...names.map((name, i) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, name),
            element("td", { class: "result" }),
            element("td", { class: "result" }),
            element("td", {}, this.weights[i]),
          ),
        ),
      );
    }

    weigh() {
      const { value } = this.choice;
      if (value !== "own") {
        this.weights.forEach((weight, i) => {
          weight.value = value === "sum" || value === String(i) ? 1 : 0;
        });
      }
      this.update();
    }

    weighFreely() {
      this.choice.value = "own";
      this.update();
    }

    edit(cell) {
      if (this.kind === "eigh" && !isBad(cell)) {
        const i = this.cells.findIndex((row) => row.includes(cell));
        this.cells[this.cells[i].indexOf(cell)][i].value = cell.value;
      }
      this.update();
    }

    // As in a spreadsheet: Enter goes down, and Shift and Enter up.
    move(event) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      const down = this.cells[0].flatMap((_, j) => this.cells.map((row) => row[j]));
      const next = down.indexOf(event.target) + (event.shiftKey ? -1 : 1);
      down.at(next % down.length).focus();
    }

    paste(event) {
      const matrix = parse(event.clipboardData.getData("text"));
      // One number goes where any other would.
      if (matrix.flat().length < 2) return;
      event.preventDefault();
      const sizes = [matrix.length, ...matrix.map((row) => row.length)];
      const isMatrix =
        sizes.every((size) => SIZES.includes(size)) &&
        matrix.every((row) => row.length === matrix[0].length && row.every(isFine));
      const isSymmetric = matrix.every((row, i) => row.every((x, j) => x === matrix[j]?.[i]));
      if (!isMatrix) {
        this.status.textContent =
          "What was pasted is not a matrix: give 2 to 5 rows and columns of numbers.";
      } else if (this.kind === "eigh" && !isSymmetric) {
        this.status.textContent = "What was pasted is not a symmetric matrix.";
      } else {
        this.load(matrix);
      }
    }

    // ---- what follows

    update() {
      const inputs = [...this.cells.flat(), ...this.weights];
      for (const input of inputs) input.setAttribute("aria-invalid", isBad(input));
      const bad = inputs.find(isBad);
      this.panel.classList.toggle("stale", bad !== undefined);
      if (bad) {
        this.status.textContent =
          `${bad.getAttribute("aria-label")}: give a number of at most 10⁹ in size. ` +
          "What is shown belongs to the last matrix that was complete.";
        return;
      }
      const matrix = this.cells.map((row) => row.map((cell) => cell.valueAsNumber));
      const weights = this.weights.map((weight) => weight.valueAsNumber);
      const rtol = this.tolerance.value === "" ? undefined : Number(this.tolerance.value);
      this.set = this.problem.gradients(matrix, weights, rtol);
      this.smallest = spectral.minimumNorm(this.set);
      this.showSpectrum();
      this.showGradient();
      this.showValid();
    }

    showSpectrum() {
      const { set } = this;
      const scale = Math.max(...set.values.map(Math.abs));
      const ends = set.clusters.map(({ stop }) => stop - 1);
      [...this.spectrum.rows].forEach((row, i) => {
        const gap = Math.abs(set.values[i + 1] - set.values[i]);
        row.cells[1].textContent = format(set.values[i], scale);
        row.cells[2].textContent = ends.includes(i) ? format(gap, 0) : "equal";
      });
      this.spectrum.rows[set.values.length - 1].cells[2].textContent = "–";
      this.picture.replaceChildren(spectrumPicture(set));
      const value = set.values.reduce((total, x, i) => total + set.weights[i] * x, 0);
      this.status.textContent = `f(A) = ${format(value, scale)}. ${spectral.reason(set)}`;
    }

    showGradient() {
      const only = spectral.isDifferentiable(this.set);
      this.heading.textContent = only ? "The gradient G" : "The valid answer of smallest norm";
      const forms = this.problem.conventions.map((c) => [c, spectral.convert(this.smallest, c)]);
      const shown = forms.length > 0 ? forms : [["G", this.smallest]];
      const limit = Math.max(...shown.map(([, matrix]) => greatest(matrix)));
      const tables = shown.map(([caption, matrix]) => table(caption, matrix, limit));
      this.gradient.replaceChildren(...tables);
    }

    showValid() {
      const { set } = this;
      const undecided = spectral.undecided(set);
      this.valid.hidden = undecided.length === 0;
      const blocks = set.clusters.map((cluster) =>
        element("li", {}, `${spectral.name(set, cluster)}: ${spectral.condition(set, cluster)}`),
      );
      this.blocks.replaceChildren(...blocks);
      const shapes = undecided.map((cluster) => spectral.shape(set, cluster));
      this.turns = shapes.some(([rows, columns]) => rows * columns > 1);
      this.turn.parentElement.hidden = !this.turns;
      this.mirror.parentElement.hidden = !undecided.some((c) => spectral.isZero(set, c));
      this.caption.textContent = !this.turns
        ? "The valid answers lie on this line."
        : isDisc(set, undecided)
          ? "The valid answers are this disc."
          : "The set has more dimensions than the disc; distances from its centre are true.";
      this.walk();
    }

    // Only the answer that is shown changes, and not the set.
    walk() {
      const angle = (this.turn.valueAsNumber * Math.PI) / 180;
      const share = this.share.valueAsNumber / 100;
      const extreme = spectral.extremePoint(this.set, angle, this.mirror.checked);
      const answer = spectral.between(this.smallest, extreme, share);
      this.answer.replaceChildren(table("a valid answer", answer, greatest(extreme)));
      const [x, y] = this.turns
        ? [Math.cos(angle), Math.sin(angle)]
        : [this.mirror.checked ? -1 : 1, 0];
      const picture = discPicture(share * x, share * y, !this.turns);
      this.disc.firstChild.replaceWith(picture);
      const [norm, least, most] = [answer, this.smallest, extreme].map((g) => format(g.norm(), 1));
      this.norm.textContent =
        `‖G‖ = ${norm}, between ${least} (the smallest) and ${most} (the rim).`;
    }
  }

  document.querySelectorAll(".sg-try").forEach((root, number) => new Panel(root, number));
}
