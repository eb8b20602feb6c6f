"Wrong versions of lesson 10's code, each of which the lesson's own checks must notice."
OUTER = 'if _reach(other) > _reach(failure): raise'
TRAIN = "self.training, self.dl = True, self.data.train_dl"
VALID = "self.training, self.dl = False, self.data.valid_dl if dl is None else dl"
FRESH = "self.xb, self.yb, self.pred, self.loss = xb, yb, None, None"
CLEAN = "if event in _CLEAN_UP:"
EVERYWHERE = 'everywhere = event.endswith(("_fit", "_epoch"))'
RATE = "self.set_lr(self.lr if lr is None else lr)"
DONE = "learn.epochs_done = learn.epoch + (learn.batch + 1) / self.n_batches"
WHOLE = "if learn.complete: learn.stats = found = self.found"
COLUMNS = '*valid, *["time"] * self.add_time])'
NEW = "is_new = len(self.lrs) > max(self.ends, default=0)"
SIZES = "n = _n_samples(learn.yb) or _n_samples(learn.xb)\n        pred"
POSITION = "min(learn.epochs_done / learn.n_epochs, 1.)"
SMOOTH = "0.8 * self.losses[-1] + 0.2 * loss if self.losses else loss"
LAST = "is_last = learn.batch + 1 == length_hint(learn.dl)"
MEAN = "if p.grad is not None: p.grad /= self.n_samples"
LOOKING = "with self.removed_cbs([cb for cb in self.cbs if cb.reports]), self.added_cbs(cbs):"
ENOUGH = "if self.n_batches < self.n and not is_last: raise CancelBatchException"
WHEN = "if learn.epoch % self.every == self.every - 1: self.after_fit()"
LINE = "y = 3 * x + 2 + 0.1 * torch.randn(x.shape, generator=own)"

MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    ("EVENTS", '    "before_backward": "change learn.loss for backward; put the old one back in '
     'before_step",\n', ""),
    ("EVENTS", '"after_cancel_train": "the', '"after_cancel_training": "the'),
    ("EVENTS", '"before_batch": "change learn.xb and learn.yb, or a rate for this batch"',
     '"begin_batch": "change learn.xb and learn.yb, or a rate for this batch"'),

    ("CancelTrainException", "class CancelTrainException(Exception)",
     "class CancelTrainException(CancelEpochException)"),
    ("CancelTrainException", '"train": CancelTrainException', '"train": CancelEpochException'),
    ("CancelTrainException", '_CANCELS = {"batch": CancelBatchException, "train"',
     '_CANCELS = {"train"'),
    ("CancelValidException", "class CancelValidException(Exception)",
     "class CancelValidException(CancelTrainException)"),
    ("CancelValidException", '"validate": CancelValidException', '"valid": CancelValidException'),
    ("CancelValidException", 'for end in ("after_cancel", "after")}', 'for end in ("after",)}'),

    ("Callback", "if hasattr(type(self), name): return object.__getattribute__(self, name)",
     "pass"),
    ("Callback", 'learn = self.__dict__.get("learn")', "learn = self.learn"),
    ("Callback", 'if not name.startswith("__") and hasattr(learn, name)',
     "if hasattr(learn, name)"),
    ("Callback", "        if name in _STATE:\n            warnings.warn(f\"{type(self)",
     "        if False:\n            warnings.warn(f\"{type(self)"),
    ("Callback", "super().__setattr__(name, value)", "setattr(self.learn, name, value)"),
    ("Callback", 'kind.removesuffix("Callback") or kind', 'kind.removesuffix("Callback")'),
    ("Callback", "run_train = run_valid = True", "run_train = run_valid = False"),
    ("Callback", '_STATE = {*_LOOP, *"model', '_STATE = {*"model'),

    ("Learner", OUTER, "if _reach(other) >= _reach(failure): raise"),
    ("Learner", "halves = dict(items[:n_inp]), dict(items[n_inp:])",
     "halves = dict(items[:1]), dict(items[1:])"),
    ("Learner", "if not isinstance(batch, tuple): return batch, ()",
     "if not isinstance(batch, tuple): return batch, batch"),
    ("Learner", "if isinstance(given[-1], dict): return function(*given[:-1], **given[-1])",
     "pass"),
    ("Learner", "made = cb() if isinstance(cb, type) else cb", "made = cb"),
    ("Learner", 'if cb in learn.cbs: raise ValueError(f"this', 'if False: raise ValueError(f"this'),
    ("Learner", EVERYWHERE, "everywhere = False"),
    ("Learner", "if everywhere or wanted:", "if wanted:"),
    ("Learner", "self.cbs = sorted(cbs, key=lambda cb: cb.order)", "self.cbs = list(cbs)"),
    ("Learner", CLEAN, "if False:"),
    ("Learner", CLEAN, "if True:"),
    ("Learner", "if level is None or level in self.running: return None", "return None"),
    ("Learner", "if wrong: raise wrong from failure", "pass"),
    ("Learner", 'except _CANCELS[level]: self(f"after_cancel_{level}")',
     "except tuple(_CANCELS.values()): self(f\"after_cancel_{level}\")"),
    ("Learner", '_despite(failure, self, f"after_{level}")', "pass"),
    ("Learner", "finally: self.running.pop()", "finally: pass"),
    ("Learner", "and not any(isinstance(cb, kind) for cb in own)]", "]"),
    ("Learner", RATE, "self.set_lr(self.lr)"),
    ("Learner", RATE, "if lr is not None: self.set_lr(lr)"),
    ("Learner", "if reset_opt or self.opt is None: self.create_opt()\n        self.set_lr",
     "self.create_opt()\n        self.set_lr"),
    ("Learner", "if self.running: raise RuntimeError", "if False: raise RuntimeError"),
    ("Learner", "def there(x): return x if x.device == device else x.to(device)",
     "def there(x): return x.to(device).clone()"),
    ("Learner", "for epoch in range(self.first_epoch, self.n_epochs):",
     "for epoch in range(self.n_epochs):"),
    ("Learner", '        self.complete = False\n        self("before_epoch")',
     '        self("before_epoch")'),
    ("Learner", TRAIN, "self.dl = self.data.train_dl"),
    ("Learner", VALID, "self.training, self.dl = False, self.data.valid_dl"),
    ("Learner", "with torch.no_grad(): self._all_batches()", "self._all_batches()"),
    ("Learner", FRESH, "self.xb, self.yb = xb, yb"),
    ("Learner", "if not self.training: return", "pass"),
    ("Learner", 'self.loss.backward()\n        self("before_step")',
     'self("before_step")\n        self.loss.backward()'),
    ("Learner", '        self("after_step")\n        self.opt.zero_grad()',
     '        self.opt.zero_grad()\n        self("after_step")'),
    ("Learner", "finally: self.dl = self.xb = self.yb = self.pred = self.loss = None",
     "finally: pass"),
    ("Learner", LOOKING,
     "with self.added_cbs(cbs):"),
    ("Learner", "            vars(self).update(kept)\n", ""),
    ("Learner", "            for module, mode in modes: module.training = mode",
     "            pass"),
    ("Learner", "    with self.looking(averages):\n        averages.before_fit()\n"
                "        self.model.eval()\n",
     "    with self.looking(averages):\n        averages.before_fit()\n"),
    ("Learner", "        raise CancelBatchException\n\n    def losses", "\n    def losses"),
    ("Learner", "_map(lambda part: part[None], parts)", "parts"),
    ("Learner", "if _momentum(self.opt):\n", "if True:\n"),
    ("Learner", "one_cycle(rate, pct_start, div, div_final)",
     "one_cycle(rate, pct_start, div_final, div)"),
    ("Learner", "        for put_back in undo: put_back()\n    return finder",
     "        pass\n    return finder"),
    ("Learner", "with self.looking(): self.fit(n_epochs, cbs=finder)",
     "self.fit(n_epochs, cbs=finder)"),
    ("Learner", 'part = path.with_name(f"{path.name}.part")', "part = path"),
    ("Learner", 'map_location="cpu", weights_only=True', 'map_location="cpu", weights_only=False'),
    ("Learner", '    _check_fits(learn.model, content["model"], path)\n', ""),
    ("Learner", '    if "opt" in content: learn.opt.load_state_dict(content["opt"])\n', ""),
    ("Learner", "pct_start:float=0.75, # fraction", "pct_start:float=0.25, # fraction"),
    ("Learner", "        for hook in hooks: hook.remove()\n", "        pass\n"),

    ("TrainEvalCallback", "learn.model.train()", "learn.model.eval()"),
    ("TrainEvalCallback", "        self.learn.model.eval()", "        pass"),
    ("TrainEvalCallback", DONE, "learn.epochs_done = learn.epoch + learn.batch / self.n_batches"),
    ("TrainEvalCallback", DONE, "learn.epochs_done = (learn.batch + 1) / self.n_batches"),
    ("TrainEvalCallback", "        if not learn.training: return\n        learn.n_iter += 1",
     "        learn.n_iter += 1"),

    ("Recorder", SIZES, "n = 1\n        pred"),
    ("Averages", "if learn.loss is not None: self.averages[learn.training].accumulate(learn)",
     "self.averages[learn.training].accumulate(learn)"),
    ("Averages", '"Leave out the averages of a training pass that was cancelled."\n'
                 "        self.averages[True].reset()",
     '"Leave out the averages of a training pass that was cancelled."'),
    ("Averages", '"Leave out the averages of a validation pass that was cancelled."\n'
                 "        self.averages[False].reset()",
     '"Leave out the averages of a validation pass that was cancelled."'),
    ("Recorder", WHOLE, "learn.stats = found = self.found"),
    ("Recorder", NEW, "is_new = True"),
    ("Recorder", COLUMNS, "*valid])"),
    ("Recorder", "if self.logger: self.logger(self.values[-1])", "pass"),
    ("Recorder", 'self._smooth.n, self._smooth.average = state["smooth"]', "pass"),
    ("Recorder", "if learn.training and learn.loss is not None:", "if learn.loss is not None:"),

    ("ProgressCallback", "if self.recorder is None:", "if False:"),
    ("ProgressCallback", "if bars.table: return", "pass"),
    ("ProgressCallback", "        for row in self.recorder.values: self._write(row)\n", ""),
    ("ProgressCallback", "else: self.before_epoch()  # the", "pass  # the"),
    ("ProgressCallback", "if self.bars.bar: self.bars._move()", "pass"),
    ("ProgressCallback", "self.bars = self.recorder.logger = None", "pass"),
    ("ProgressCallback", "Learner.defaults = [TrainEvalCallback, Recorder, ProgressCallback]",
     "Learner.defaults = [TrainEvalCallback, Recorder]"),

    ("ParamScheduler", POSITION, "learn.epochs_done"),
    ("ParamScheduler", POSITION, "min(learn.n_iter / learn.n_epochs, 1.)"),
    ("ParamScheduler", "if not any(isinstance(cb, TrainEvalCallback) for cb in learn.cbs):",
     "if False:"),
    ("ParamScheduler", "if self.hyper not in names: self._unknown(learn.opt, names)", "pass"),

    ("LRFinder", SMOOTH, "0.2 * self.losses[-1] + 0.8 * loss if self.losses else loss"),
    ("LRFinder", SMOOTH, "loss"),
    ("LRFinder", "if len(self.lrs) == self.num_it: raise CancelFitException", "pass"),
    ("LRFinder", "if self.stop_div and _exploded(self.losses)", "if _exploded(self.losses)"),
    ("LRFinder", "len(self.lrs) / (self.num_it - 1)", "len(self.lrs) / self.num_it"),
    ("LRFinder", "        raise CancelValidException", "        pass"),

    ("GradientClip", "nn.utils.clip_grad_norm_(self.learn.model.parameters(), self.most)",
     "nn.utils.clip_grad_value_(self.learn.model.parameters(), self.most)"),
    ("GradientClip", "nn.utils.clip_grad_norm_(self.learn.model.parameters(), self.most)", "pass"),
    ("GradientClip", "order = 30", "order = 10"),
    ("GradientClip", "if most <= 0: raise", "if most < 0: raise"),

    ("GradientAccumulation", "self.mean, learn.loss = learn.loss, learn.loss * n",
     "self.mean, learn.loss = learn.loss, learn.loss"),
    ("GradientAccumulation", "        learn.loss = self.mean\n", ""),
    ("GradientAccumulation", LAST, "is_last = False"),
    ("GradientAccumulation", LAST, "is_last = learn.batch == length_hint(learn.dl)"),
    ("GradientAccumulation", MEAN, "if p.grad is not None: p.grad /= self.n_batches"),
    ("GradientAccumulation", MEAN, "pass"),
    ("GradientAccumulation", ENOUGH, ENOUGH.replace("<", "<=")),
    ("GradientAccumulation", '"Throw away what has not come to a step."\n'
                             "        self.learn.opt.zero_grad()",
     '"Throw away what has not come to a step."'),

    ("MixedPrecision", "        self.context.__enter__()", "        pass"),
    ("MixedPrecision", "_map(lambda x: x.float() if x.is_floating_point() else x,",
     "_map(lambda x: x.float(),"),
    ("MixedPrecision", "if self.context: self.context.__exit__(None, None, None)", "pass"),
    ("MixedPrecision", "if dtype != torch.bfloat16:", "if False:"),

    ("Checkpoint", "        if not learn.complete: return\n        self.content",
     "        self.content"),
    ("Checkpoint", WHEN, "if learn.epoch % self.every == 0: self.after_fit()"),
    ("Checkpoint", WHEN, "pass"),
    ("Checkpoint", WHEN, "self.after_fit()"),
    ("Checkpoint", '"epoch": learn.epoch + 1, "n_epochs"', '"epoch": learn.epoch, "n_epochs"'),
    ("Checkpoint", "    torch.set_rng_state(state[\"torch\"])\n", ""),
    ("Checkpoint", "    random.setstate(state[\"python\"])\n", ""),
    ("Checkpoint", 'for generator, kept in zip(_generators(learn), state["loaders"]): '
                   "generator.set_state(kept)", "pass"),
    ("Checkpoint", "_set_random_state(learn, state[\"random\"])", "pass"),
    ("Checkpoint", "if state[\"n_epochs\"] != learn.n_epochs:", "if False:"),
    ("Checkpoint", "if self.content: _write(self.path, self.content)", "pass"),

    ("synth_learner", LINE, LINE.replace("3 * x", "2 * x")),
    ("synth_learner", LINE, LINE.replace("generator=own", "generator=None")),
    ("synth_learner", "batches[:n_train], batches[n_train:]", "batches, batches[n_train:]"),
    ("synth_learner", "nn.utils.skip_init(nn.Linear, 1, 1)", "nn.Linear(1, 1)"),
]
EQUIVALENT = []
