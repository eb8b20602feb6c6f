"""Wrong versions of lesson 11's code, each of which the lesson's own checks must notice. What is
patched onto Learner is listed under what it makes: a Trace, or TimeShares.
"""
MARKS = "return id(value), version, repr(value.sum().item())"
BORDERS = '"before_step": "backward", "after_step": "step"}'
ZERO = 'if event == "after_batch" and last == "after_step": return "zero_grad"'
VAIN = 'if event in ("after_train", "after_validate") and begun: return "data"'
TIMED = "try: self.listener()\n        finally: self.recording.end(span)"
FITS = "with redirect_stdout(StringIO()), learn.no_bar(): learn.fit(epochs, cbs=cbs)"
KNOWN = "*learn.model.modules(), *learn.model.parameters()]"
SHOWN = 'elif span.kind == "callback" or span.changes:'
OVERLAP = '            if span.kind == "callback": parts["the loop"] -= seconds'
WITHIN = "takewhile(lambda span: span.depth > level.depth, rest)"
RUN = "return _rehearse(self, _Stopwatch, n_batches, 0, 1, cbs).shares()"
CLOSE = "close = get_close_matches(str(event), EVENTS, 1, cutoff=0)"
PAGE = 'for lesson, kind in [*_course_callbacks(_LESSONS), ("11", StepThrough)]:'
LISTED = '", ".join(f"`{name}`" for name in _methods(kind)) or "–"'
BASES = "bases = thing.__mro__[1:] if isinstance(thing, type) else ()"
MINE = 'if any(base.__name__ == "Callback" for base in bases): yield lesson, thing'
METHODS = "methods = {event: _stop_at(event) for event in listify(events)}"
MADE = "return super().__new__(type(cls.__name__, (cls,), methods))"
ASKED = "if isinstance(learn, _Traced) or not self.when(learn): return"

MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    ("Trace", BORDERS, BORDERS.replace("before_step", "before_backward")),
    ("Trace", BORDERS, BORDERS.replace("after_step", "after_batch")),
    ("Trace", ZERO, ZERO.replace(' and last == "after_step"', "")),
    ("Trace", VAIN, VAIN.replace(" and begun", "")),
    ("Trace", "self.lost += time.perf_counter() - start", "pass"),
    ("Trace", "self.lost += time", "self.lost = time"),
    ("Trace", "return time.perf_counter() - self.lost", "return time.perf_counter()"),
    ("Trace", "        self.depth = span.depth\n", ""),
    ("Trace", "span.changes, self.seen = _changes(self.seen, seen), seen",
     "span.changes = _changes(self.seen, seen)"),
    ("Trace", TIMED, "self.listener()\n        self.recording.end(span)"),
    ("Trace", "recording.last, recording.last_end = event, span.end", "recording.last = event"),
    ("Trace", '{number}", start=recording.last_end)\n', '{number}")\n'),
    ("Trace", '"event", event, start=recording.last_end)', '"event", event)'),
    ("Trace", "        recording.step_until(event)\n", ""),
    ("Trace", "return super().__call__(event, listeners)  # the rest of an event", "pass"),
    ("Trace", MARKS, "return id(value), version"),
    ("Trace", MARKS, "return version, repr(value.sum().item())"),
    ("Trace", MARKS, "return id(value), repr(value.sum().item())"),
    ("Trace", MARKS, "return id(value)"),
    ("Trace", "return repr(value) if isinstance(value, (int, float, str)) else id(value)",
     "return id(value)"),
    ("Trace", "if marks == old_marks: continue", "if value is old: continue"),
    ("Trace", 'verb = "changed" if _is_same(old, value) else "set"', 'verb = "set"'),
    ("Trace", 'verb = "changed" if _is_same(old, value) else "set"',
     'verb = "set" if _is_same(old, value) else "changed"'),
    ("Trace", "return torch.is_tensor(new) and old is new", "return old is new"),
    ("Trace", "return islice(self.dl, self.n)", "return iter(self.dl)"),
    ("Trace", "return min(self.n, length_hint(self.dl, self.n))", "return len(self.dl)"),
    ("Trace", "return min(self.n, length_hint(self.dl, self.n))", "return self.n"),
    ("Trace", KNOWN, "*learn.model.modules()]"),
    ("Trace", KNOWN, "learn.model]"),
    ("Trace", " if not isinstance(cb, Checkpoint)}", "}"),
    ("Trace", "{id(cb): copy.copy(cb) for", "{id(cb): cb for"),
    ("Trace", "except Exception: return thing", "except Exception: return None"),
    ("Trace", "learn._set_cbs(_copies(learn))", "pass"),
    ("Trace", FITS, "learn.fit(epochs, cbs=cbs)"),
    ("Trace", FITS, FITS.replace(", cbs=cbs", "")),
    ("Trace", "        learn.__class__ = kind\n", ""),
    ("Trace", "        vars(learn).clear()\n", ""),
    ("Trace", "        vars(learn).update(attributes)\n", ""),
    ("Trace", "        for put_back in undo: put_back()\n", ""),
    ("Trace", "        _set_random_state(learn, random_state)\n", ""),
    ("Trace", "undo = [_keep_model(learn.model), _keep_opt(learn.opt, learn.model)]",
     "undo = [_keep_model(learn.model)]"),
    ("Trace", SHOWN, 'elif span.kind == "callback" or span.kind == "step":'),
    ("Trace", SHOWN, "elif span.changes:"),
    ("Trace", '"ts": (span.start - origin) * 1e6', '"ts": span.start - origin'),
    ("Trace", '"dur": (span.end - span.start) * 1e6', '"dur": (span.end - origin) * 1e6'),
    ("Trace", '"args": span.changes} for span in self.spans if span.name]',
     '"args": span.changes} for span in self.spans]'),
    ("Trace", "return _rehearse(self, Trace, n_batches, n_batches, epochs, cbs)",
     "return _rehearse(self, Trace, n_batches, 0, epochs, cbs)"),
    ("Trace", "lanes.index(span.who), length, 0.7, start", "lanes.index(span.who), length, 0.7"),

    ("TimeShares", OVERLAP, OVERLAP.replace("-= seconds", "-= 0.")),
    ("TimeShares", OVERLAP, OVERLAP.replace("-=", "+=")),
    ("TimeShares", WITHIN, "rest"),
    ("TimeShares", WITHIN, WITHIN.replace(">", ">=")),
    ("TimeShares", "super().__init__(learn, looks=False)", "super().__init__(learn)"),
    ("TimeShares", "parts[part] = parts.get(part, 0.) + seconds", "parts[part] = seconds"),
    ("TimeShares", "return TimeShares(parts, level.end - level.start)",
     "return TimeShares(parts, self.spans[0].end - self.spans[0].start)"),
    ("TimeShares", '        if "train" not in names:', "        if False:"),
    ("TimeShares", '        parts["the loop"] = parts.pop("the loop")', "        pass"),
    ("TimeShares", "[seconds / self.wall for seconds in self.values()]", "list(self.values())"),
    ("TimeShares", RUN, RUN.replace("n_batches, 0,", "n_batches, n_batches,")),
    ("TimeShares", RUN, RUN.replace("_Stopwatch, n_batches", "_Stopwatch, 50")),

    ("explain", "if event in _methods(kind):", "if event in vars(kind):"),
    ("explain", "{_about(_methods(kind)[event])}", "{_about(kind)}"),
    ("explain", 'print(f"{event}: {EVENTS[event]}")', "print(event)"),
    ("explain", CLOSE, "close = get_close_matches(str(event), EVENTS)"),
    ("explain", "    if event not in EVENTS:\n        close", "    if False:\n        close"),
    ("explain", "for base in own[::-1] for name", "for base in own for name"),
    ("explain", 'if base.__name__ != "Callback"]', "]"),

    ("callbacks_page", PAGE, "for lesson, kind in _course_callbacks(_LESSONS):"),
    ("callbacks_page", LISTED, LISTED.removesuffix(' or "–"')),
    ("callbacks_page", LISTED, LISTED.replace("_methods(kind)", "vars(kind)")),
    ("callbacks_page", BASES, BASES.replace("[1:]", "")),
    ("callbacks_page", MINE, "if isinstance(thing, type): yield lesson, thing"),
    ("callbacks_page", "{_about(kind)} | {lesson}", "{lesson} | {_about(kind)}"),

    ("StepThrough", "    order = 1000  # after all others", "    order = 0  # after all others"),
    ("StepThrough", METHODS, METHODS.replace("listify(events)", "EVENTS")),
    ("StepThrough", METHODS, METHODS.replace("listify(events)", "listify(events)[:1]")),
    ("StepThrough", MADE, "for event in methods: setattr(cls, event, methods[event])\n"
                          "        return super().__new__(cls)"),
    ("StepThrough", "def __new__(cls, events=(), when", "def __new__(cls, events, when"),
    ("StepThrough", ASKED, "if isinstance(learn, _Traced) or self.when(learn): return"),
    ("StepThrough", ASKED, "if isinstance(learn, _Traced): return"),
    ("StepThrough", ASKED, "if not self.when(learn): return"),
    ("StepThrough", "        breakpoint()\n", ""),
    ("StepThrough", "if wrong or not listify(events):", "if wrong:"),
    ("StepThrough", "if wrong or not listify(events):", "if not listify(events):"),
]

EQUIVALENT = [
    # (what is changed, its lines, the changed lines, why no promise tells them apart)
]
