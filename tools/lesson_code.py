"""What a lesson's code defines, and which of its cells need which of these pieces."""
import ast
import re

from notebooks import directive, module_of, read

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
MODULES = {"torch", "np", "nn", "F", "plt", "os", "random", "math"}  # theirs are no methods of ours
BLOCKS = ("body", "handlers", "orelse", "finalbody")  # where a compound statement has statements


def stores(nodes):
    "The names that are bound anywhere in some nodes."
    everything = [n for node in nodes for n in ast.walk(node)]
    return ({n.id for n in everything if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            | {n.name for n in everything if isinstance(n, DEFINITIONS)})


def free(node, later=True):
    """The names that a piece of code reads from outside itself; without `later`, only those that
    it reads at once and not when a function that it defines is called. What it reads of an object,
    such as a method, has a dot before its name.
    """
    if isinstance(node, ast.Name): return {node.id} if isinstance(node.ctx, ast.Load) else set()
    children, own = list(ast.iter_child_nodes(node)), set()
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        body = node.body if isinstance(node.body, list) else [node.body]
        own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)} | stores(body)
        outside = [*getattr(node, "decorator_list", []), node.args]
        inside = set().union(*(free(child) for child in body)) - own if later else set()
        return inside.union(*(free(child, later) for child in outside))
    if isinstance(node, COMPREHENSIONS): own = stores(g.target for g in node.generators)
    if isinstance(node, ast.ClassDef): own = stores(node.body)
    read = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    attribute = {f".{node.attr}"} if read and ast.unparse(node.value) not in MODULES else set()
    return attribute.union(*(free(child, later) for child in children)) - own


def bound_by(node):
    "The names that a statement binds in its cell, and not only inside of what it defines."
    if isinstance(node, DEFINITIONS): return {node.name}
    if isinstance(node, (ast.Lambda, *COMPREHENSIONS)):
        return {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in node.names}
    own = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    return own.union(*map(bound_by, ast.iter_child_nodes(node)))


def is_method(function): return isinstance(function, ast.Attribute)


def run_at_once(node):
    "The nodes of a statement, without the bodies of the functions that it defines."
    yield node
    if isinstance(node, (ast.FunctionDef, ast.Lambda)): return
    for child in ast.iter_child_nodes(node): yield from run_at_once(child)


def changed_by(statement):
    "The names whose objects a statement changes: x[i] = …, x.name = …, x.append(…), setattr(x, …)."
    changed = set()
    for node in run_at_once(statement):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr": base = node.args[0]
        elif isinstance(node, ast.Call): base = node.func if is_method(node.func) else None
        elif isinstance(getattr(node, "ctx", None), ast.Store): base = node
        else: continue
        while isinstance(base, (ast.Attribute, ast.Subscript)): base = base.value
        if isinstance(base, ast.Name): changed.add(base.id)
    return changed


def body_of(function):
    "A function's statements without its docstring."
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def segment(source, node):
    "The text of a statement, its decorators included."
    first = min([node, *getattr(node, "decorator_list", [])], key=lambda part: part.lineno).lineno
    return "\n".join(source.splitlines()[first - 1:node.end_lineno])


def patched_onto(node):
    "The name of the class that a function is patched onto, by @patch; None for other code."
    names = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])]
    return ast.unparse(node.args.args[0].annotation) if "patch" in names else None


def functions_in(node):
    "(qualified name, function) of a function, patched or not, or of each method of a class."
    owner = patched_onto(node)
    if isinstance(node, ast.FunctionDef): yield f"{owner}.{node.name}" if owner else node.name, node
    if isinstance(node, ast.ClassDef):
        yield from ((f"{node.name}.{f.name}", f) for f in node.body
                    if isinstance(f, ast.FunctionDef))


def blanks_in(source, given=()):
    "{piece: {blank: function}}: what there is to write in a cell."
    found = {}
    for node in ast.parse(source).body:
        if not isinstance(node, DEFINITIONS) or node.name in given: continue
        blanks = {name: f for name, f in functions_in(node) if body_of(f) and name not in given}
        if blanks: found[node.name] = blanks
    return found


def without_directive(source):
    "A cell's text without the `#| …` lines that it begins with."
    return re.sub(r"\A(#\|.*\n?)+", "", source)


def heading(cells):
    "The last heading among markdown cells."
    found = [line for c in cells if c.cell_type == "markdown"
             for line in re.findall(r"^#+ (.*)", c.source, re.M)]
    return found[-1] if found else ""


class Lesson:
    "What a lesson defines, and which of its cells need which of these pieces."
    def __init__(self, path, given=()):
        self.path, self.stem = path, path.stem
        self.module = module_of(path.stem)
        self.notebook = read(path)
        self.cells = [c for c in self.notebook.cells if directive(c)[0] != "default_exp"]
        self.pieces, self.sources, self.sections, self.patched = {}, {}, {}, set()
        for i, cell in enumerate(self.cells):
            if directive(cell)[0] not in ("export", "practise"): continue
            source = without_directive(cell.source)
            for node in ast.parse(source).body:
                names = [node.name] if isinstance(node, DEFINITIONS) else bound_by(node)
                for name in names: self.sources[name] = segment(source, node)
                if patched_onto(node): self.patched.add(node.name)
            for piece, blanks in blanks_in(source, given).items():
                self.pieces[piece] = blanks
                self.sections[piece] = heading(self.cells[:i + 1])
        self.uses = {name: self.closure(name) for name in self.sources}
        self.follow()

    def closure(self, name):
        "The pieces that a name is or builds on, directly or through others."
        reached, todo = set(), [name]
        while todo:
            if (current := todo.pop()) in reached: continue
            reached.add(current)
            tree = ast.parse(self.sources[current])
            # A class may call what is patched onto it later, and is complete without that.
            is_class = isinstance(tree.body[0], ast.ClassDef)
            names = free(tree) if is_class else self.read_by(tree)
            todo += names & self.sources.keys()
        return reached & self.pieces.keys()

    def read_by(self, node, later=True):
        "The names that a piece of code reads; a patched method is read by its name alone."
        names = free(node, later)
        return names | {name[1:] for name in names if name[0] == "." and name[1:] in self.patched}

    def follow(self):
        "For each cell, the pieces that running it needs now, and all that it touches."
        self.owner, self.imported, self.now, self.ever = {}, set(), {}, {}
        for cell in self.cells:
            if cell.cell_type != "code": continue
            self.defines = directive(cell)[0] in ("export", "practise")
            self.now[cell.id], self.ever[cell.id] = set(), set()
            statements = ast.parse(without_directive(cell.source)).body
            for node in statements: self.step(node, cell.id)
            # A cell that waits binds nothing: what it would bind needs what it waits for.
            waits_for = self.ever if directive(cell)[0] == "check" else self.now
            others = [s for s in statements if not (self.defines and isinstance(s, DEFINITIONS))]
            for name in set().union(*map(bound_by, others)) - self.imported:
                self.owner[name] = self.owner[name] | waits_for[cell.id]

    def needed(self, names):
        "The pieces that objects of these names are, or were made with."
        return set().union(*(self.owner.get(name, set()) for name in names))

    def step(self, node, cell):
        "Follow one statement of a cell; those inside of it one by one, as they would run."
        if self.defines and isinstance(node, DEFINITIONS):
            self.owner[node.name] = self.uses[node.name]
            return
        is_block = isinstance(node, (ast.For, ast.While, ast.If, ast.With, ast.Try))
        inner = [s for block in BLOCKS for s in getattr(node, block, [])] if is_block else []
        inner = [s for part in inner
                 for s in (part.body if isinstance(part, ast.ExceptHandler) else [part])]
        own = [n for n in ast.iter_child_nodes(node) if n not in inner
               and not isinstance(n, ast.ExceptHandler)] if is_block else [node]
        wanted = self.needed(set().union(*map(self.read_by, own)))
        self.ever[cell] |= wanted
        self.now[cell] |= self.needed(set().union(*(self.read_by(n, later=False) for n in own)))
        bound = set().union(*map(bound_by, own))
        if isinstance(node, (ast.Import, ast.ImportFrom)): self.imported |= bound
        changed = set().union(*map(changed_by, own)) & self.owner.keys() - bound - self.imported
        self.owner |= dict.fromkeys(bound, wanted)
        self.owner |= {name: self.owner[name] | wanted for name in changed}
        for statement in inner: self.step(statement, cell)

    def headings(self):
        "(level, text) of every heading, in order."
        return [(len(marks), text) for cell in self.cells if cell.cell_type == "markdown"
                for marks, text in re.findall(r"^(#+) (.*)", cell.source, re.M)]

    def is_practice(self, cell):
        "Whether there is something to write in a cell."
        return bool(directive(cell)[0] in ("export", "practise") and self.pieces.keys()
                    & blanks_in(without_directive(cell.source)).keys())

    def in_order(self, names): return [piece for piece in self.pieces if piece in names]

    def checks(self):
        "{title: the pieces that a check is about, and those that it builds on}."
        found, fresh, checked = {}, [], False
        for cell in self.cells:
            kind, title = directive(cell)
            if kind in ("export", "practise"):
                new = list(blanks_in(without_directive(cell.source)).keys() & self.pieces.keys())
                if checked and new: fresh, checked = [], False
                fresh += new
            if kind == "check" and self.ever[cell.id]:
                touched, checked = self.ever[cell.id], True
                about = touched & set(fresh)
                found[title] = {"about": self.in_order(about or touched),
                                "after": self.in_order(touched - about)}
        return found
