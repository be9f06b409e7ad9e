// The generalised gradient of f(A) = Σ wᵢ λᵢ(A) or Σ wᵢ σᵢ(A), for real matrices of 2 to 5 rows
// and columns: what spectralgrad/{spectrum,symmetric,subgradient}.py compute, in the same words, so
// that the two can be read side by side. The tests hold one against the other.
"use strict";

const spectral = (() => {
  const { EVD, SVD, Matrix } = mlMatrix;

  const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
  const largest = (numbers) => Math.max(0, ...numbers.map(Math.abs));
  const descending = (numbers) => [...numbers].sort((x, y) => y - x);

  // ---- which values count as equal, and which as zero

  // The backward error that a program is allowed; for singular values with twice the precision at
  // which LAPACK's iteration stops.
  function defaultRtol(rows, columns, singular = false) {
    const roundoff = Number.EPSILON / 2;
    const stop = Math.max(10, roundoff ** -0.125) * roundoff;
    return 8 * Math.max(rows, columns) * Number.EPSILON + (singular ? 2 * stop : 0);
  }

  // Maximal runs of values, each within rtol · max|value| of the next.
  function clusters(values, rtol) {
    const tolerance = rtol * largest(values);
    const found = [];
    values.forEach((value, i) => {
      if (i > 0 && Math.abs(value - values[i - 1]) <= tolerance) found.at(-1).stop = i + 1;
      else found.push({ start: i, stop: i + 1 });
    });
    return found;
  }

  // How many singular values lie outside the cluster of zero.
  function rank(values, rtol) {
    return clusters([...values, 0], rtol).at(-1).start;
  }

  // ---- three ways to write one gradient

  function convert(gradient, convention) {
    const g = Matrix.add(gradient, gradient.transpose()).mul(0.5);
    if (convention === "symmetric") return g;
    const factor = (i, j) => (i === j ? 1 : (convention === "lower") === i > j ? 2 : 0);
    return new Matrix(g.to2DArray().map((row, i) => row.map((x, j) => factor(i, j) * x)));
  }

  // ---- the set of valid answers

  // Eigenvalues ascending.
  function eigvalsh(matrix, weights, rtol = defaultRtol(matrix.length, matrix.length)) {
    const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EVD(new Matrix(matrix), {
      assumeSymmetric: true,
    });
    return {
      problem: "eigh",
      values,
      weights,
      left: vectors,
      right: vectors,
      clusters: clusters(values, rtol),
      rank: values.length,
      rtol,
    };
  }

  // Singular values descending.
  function svdvals(matrix, weights, rtol = defaultRtol(matrix.length, matrix[0].length, true)) {
    const svd = new SVD(new Matrix(matrix), { autoTranspose: true });
    const positive = rank(svd.diagonal, rtol);
    const values = svd.diagonal.map((value, i) => (i < positive ? value : 0));
    return {
      problem: "svd",
      values,
      weights,
      left: completed(svd.leftSingularVectors),
      right: completed(svd.rightSingularVectors),
      clusters: clusters(values, rtol),
      rank: positive,
      rtol,
    };
  }

  // Orthonormal columns, with more of them until they span the space: the eigenvectors of I − QQᵀ
  // that belong to its eigenvalue 1, which come last.
  function completed(q) {
    const { rows: n, columns: k } = q;
    if (n === k) return q;
    const complement = Matrix.eye(n).sub(q.mmul(q.transpose()));
    const { eigenvectorMatrix: vectors } = new EVD(complement, { assumeSymmetric: true });
    return new Matrix(n, n)
      .setSubMatrix(q, 0, 0)
      .setSubMatrix(vectors.subMatrix(0, n - 1, k, n - 1), 0, k);
  }

  const isZero = (set, cluster) => cluster.start >= set.rank;
  const weightsOf = (set, cluster) => set.weights.slice(cluster.start, cluster.stop);

  // Whether the weights alone fix the block of a cluster.
  function isDecided(set, cluster) {
    const w = weightsOf(set, cluster);
    return w.every((x) => x === (isZero(set, cluster) ? 0 : w[0]));
  }

  // Of the block of a cluster. Null vectors beyond the last value belong to the zero cluster.
  function shape(set, cluster) {
    const stop = (basis) => (isZero(set, cluster) ? basis.columns : cluster.stop);
    return [set.left, set.right].map((basis) => stop(basis) - cluster.start);
  }

  const undecided = (set) => set.clusters.filter((cluster) => !isDecided(set, cluster));
  const isDifferentiable = (set) => undecided(set).length === 0;

  // U diag(w) Vᵀ
  function assemble(left, weights, right) {
    const scaled = new Matrix(left.rows, weights.length);
    for (let i = 0; i < left.rows; i++) {
      weights.forEach((w, j) => scaled.set(i, j, w * left.get(i, j)));
    }
    return scaled.mmul(right.subMatrix(0, right.rows - 1, 0, weights.length - 1).transpose());
  }

  // The gradient, or the element of smallest Frobenius norm: the mean weight on each cluster, and 0
  // on the zero cluster.
  function minimumNorm(set) {
    const means = set.clusters.flatMap((cluster) => {
      const w = weightsOf(set, cluster);
      return w.map(() => (isZero(set, cluster) ? 0 : sum(w) / w.length));
    });
    return assemble(set.left, means, set.right);
  }

  // An extreme point of the set: the weights as they are, in bases of the undecided clusters that
  // are turned by an angle, and for the zero cluster mirrored too if that is asked for. In a
  // cluster of two, all of them come up once between 0 and 2π.
  function extremePoint(set, angle, mirrored = false) {
    const left = set.left.clone();
    const right = set.problem === "eigh" ? left : set.right.clone();
    for (const cluster of undecided(set)) {
      if (isZero(set, cluster)) {
        // Left and right null vectors turn independently; with more of them there is more to turn.
        const basis = left.rows > right.rows ? left : right;
        turn(basis, cluster.start, basis.columns, angle);
        if (mirrored) basis.mulColumn(cluster.start, -1);
      } else {
        // Two vectors and their opposites make the same answer.
        for (const basis of new Set([left, right])) {
          turn(basis, cluster.start, cluster.stop, angle / 2);
        }
      }
    }
    return assemble(left, set.weights, right);
  }

  // Turn the columns from start to stop, in the plane of each one and the next.
  function turn(basis, start, stop, angle) {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    for (let j = start; j + 1 < stop; j++) {
      for (let i = 0; i < basis.rows; i++) {
        const [x, y] = [basis.get(i, j), basis.get(i, j + 1)];
        basis.set(i, j, c * x + s * y);
        basis.set(i, j + 1, c * y - s * x);
      }
    }
  }

  // The valid answer that lies so far on the way from the smallest (0) to an extreme one (1): the
  // set is convex.
  function between(smallest, extreme, share) {
    return Matrix.add(smallest, Matrix.sub(extreme, smallest).mul(share));
  }

  // ---- in words

  function name(set, cluster) {
    const symbol = (set.problem === "eigh" ? "λ" : "σ") + "₁₂₃₄₅₆₇₈₉"[cluster.start];
    const size = cluster.stop - cluster.start;
    if (size === 1) return symbol;
    return `${symbol} ${size === 2 ? "and" : "to"} ${symbol[0]}${"₁₂₃₄₅₆₇₈₉"[cluster.stop - 1]}`;
  }

  // As Python writes it: 1.0e-06.
  function scientific(x) {
    return x.toExponential(1).replace(/([+-])(\d)$/, "$10$2");
  }

  function reason(set) {
    const causes = undecided(set).map((cluster) => {
      const those = name(set, cluster);
      if (!isZero(set, cluster)) return `${those} are equal, and f treats them differently`;
      const one = cluster.stop - cluster.start === 1;
      return `${those} ${one ? "is" : "are"} zero, and f depends on ${one ? "it" : "them"}`;
    });
    const why = causes.length > 0 ? causes.join("; ") : whyDifferentiable(set);
    return (
      `f is ${causes.length > 0 ? "not " : ""}differentiable at this matrix: ` +
      `to a relative tolerance of ${scientific(set.rtol)}, ${why}.`
    );
  }

  function whyDifferentiable(set) {
    const kind = set.problem === "eigh" ? "eigenvalue" : "singular value";
    const tied = set.clusters.some((c) => c.stop - c.start > 1 && !isZero(set, c));
    const among = tied ? `f treats equal ${kind}s alike` : `no two ${kind}s are equal`;
    if (set.problem === "eigh") return among;
    const full = set.rank === set.values.length;
    return `${among} and ${full ? "none is zero" : "f does not depend on what is zero"}`;
  }

  const short = (x) => String(Number(x.toPrecision(6))).replace("-", "−");

  // What the block of a cluster in UᵀGV may be.
  function condition(set, cluster) {
    const zero = isZero(set, cluster);
    const w = descending(weightsOf(set, cluster).map(zero ? Math.abs : (x) => x));
    const top = short(w[0]);
    const [rows, columns] = shape(set, cluster);
    if (isDecided(set, cluster)) return zero ? "0" : rows === 1 ? top : `${top} times the identity`;
    if (rows * columns === 1) return `any number from −${top} to ${top}`;
    return zero
      ? `any ${rows} × ${columns} matrix whose singular values ${weaklyMajorised(w)}`
      : `any symmetric ${rows} × ${rows} matrix whose eigenvalues ${majorised(w)}`;
  }

  // That values are majorised by weights, which descend; easier to read where it comes to the same.
  function majorised(w) {
    const [top, bottom, total] = [w[0], w.at(-1), sum(w)].map(short);
    const apart = w.filter((x) => x < w[0] && x > w.at(-1));
    return apart.length <= 1
      ? `lie between ${bottom} and ${top} and add up to ${total}`
      : `add up to ${total}, ${partialSums(w)}`;
  }

  function weaklyMajorised(w) {
    const [top, total] = [w[0], sum(w)].map(short);
    if (w.at(-1) === w[0]) return `are at most ${top}`;
    const bound = `add up to at most ${total}`;
    return w[1] === 0 ? bound : `${bound}, ${partialSums(w)}`;
  }

  function partialSums(w) {
    const bounds = w.slice(0, -1).map((_, i) => {
      const those = i === 0 ? "the largest" : `the ${i + 1} largest`;
      return `${those} to at most ${short(sum(w.slice(0, i + 1)))}`;
    });
    return bounds.join(", ");
  }

  return {
    between,
    clusters,
    condition,
    convert,
    defaultRtol,
    eigvalsh,
    extremePoint,
    isDifferentiable,
    isZero,
    minimumNorm,
    name,
    rank,
    reason,
    shape,
    svdvals,
    undecided,
  };
})();
