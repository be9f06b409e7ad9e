"""What is read is data: no code of the project unpickles, evaluates, or starts a shell."""

import ast
import json

import pytest

from spectralgrad.book import building

ROOT = building.root()

MODULES = {"pickle", "cPickle", "cloudpickle", "marshal", "shelve", "dill", "joblib", "jsonpickle"}
CALLS = {"eval", "exec", "execfile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}
CALLS |= {"subprocess.getstatusoutput", "builtins.eval", "builtins.exec", "pandas.read_pickle"}
CALLS |= {"pd.read_pickle", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "torch.load"}
CALLS |= {"os.execv", "os.execvp", "os.spawnv", "tempfile.mktemp", "code.interact"}
#: Of these only what reads nothing but data will do.
SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "yaml.SafeLoader", "yaml.CSafeLoader"}

#: Where one of them is meant, and why.
JUSTIFIED = {
    ("src/spectralgrad/book/reporting.py", "check_input", "exec"): (
        "runs a cell of a committed chapter, whose variables the reader's parameters are"
    ),
    ("src/spectralgrad/frameworks/worker.py", "load", "exec"): (
        "runs the modules of this package where it is not installed"
    ),
    ("tools/statements.py", "_run", "exec"): "runs a line of a committed chapter",
    ("src/spectralgrad/system/programs.py", "load", "exec"): (
        "runs the program that a reader has written and names, as use.md says"
    ),
}


def sources():
    """Every piece of Python that a reader runs, by place."""
    for folder in ("src", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in building.chapters().values():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for number, cell in enumerate(cells, 1):
            if cell["cell_type"] == "code":
                yield f"chapters/{path.name}, cell {number}", "".join(cell["source"])


def name_of(node):
    """A name with its dots, as it is written; of other expressions an empty text."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_true(node):
    return not (isinstance(node, ast.Constant) and node.value is False)


def dangers(source):
    """What a source does that data should not reach: the function around it, and what."""
    tree = ast.parse(source)
    around = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            around |= dict.fromkeys(ast.walk(node), node.name)
    for node in ast.walk(tree):
        place = around.get(node, "")
        if isinstance(node, ast.Import):
            found = {alias.name.split(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found = ({(node.module or "").split(".")[0]} & MODULES) | (names & CALLS)
        elif isinstance(node, ast.Call):
            found = calls(node)
        else:
            continue
        yield from ((place, what) for what in found)


def calls(node):
    name = name_of(node.func)
    keywords = {k.arg: k.value for k in node.keywords}
    found = {name} & CALLS
    found |= {k for k in ("shell", "allow_pickle") if k in keywords and is_true(keywords[k])}
    # To leave the keyword out, or to give it among others, is not to have thought of it.
    if name in ("np.load", "numpy.load") and "allow_pickle" not in keywords:
        found.add(f"{name} without allow_pickle=False")
    if name == "yaml.load":
        loader = keywords.get("Loader", node.args[1] if len(node.args) > 1 else None)
        found |= set() if name_of(loader) in SAFE_LOADERS else {name}
    return found


def test_no_source_unpickles_evaluates_or_starts_a_shell():
    met = set()
    for place, source in sources():
        met |= {(place, function, what) for function, what in dangers(source)}
    assert met == set(JUSTIFIED)


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from pickle import loads", "import dill as d", "import shelve.x"),
        *("eval('1')", "def f():\n    exec(x)", "from os import system", "import os; os.system(x)"),
        *("np.load(f)", "np.load(f, allow_pickle=True)", "np.load(f, **options)"),
        *("numpy.load(f, allow_pickle=yes)", "subprocess.run(x, shell=True)", "run(x, shell=1)"),
        *("yaml.load(f)", "yaml.load(f, yaml.Loader)", "yaml.load(f, Loader=yaml.UnsafeLoader)"),
        *("yaml.unsafe_load(f)", "pd.read_pickle(f)", "[eval(x) for x in y]", "__import__(x)"),
    ],
)
def test_the_rule_finds(source):
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    [
        *("np.load(f, allow_pickle=False)", "yaml.safe_load(f)", "ast.literal_eval(x)"),
        *("yaml.load(f, Loader=yaml.SafeLoader)", "subprocess.run(x)", "run(x, shell=False)"),
        *("model.eval()", "import json", "jax.eval_shape(f)", "np.save(f, a, allow_pickle=False)"),
    ],
)
def test_the_rule_lets_pass(source):
    assert list(dangers(source)) == []
