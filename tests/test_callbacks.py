"Lesson 04: both loops train as one by hand does, and ask callbacks as the tables say."
import copy
import gc
import math
import pickle
import re
import statistics
import tracemalloc
import warnings
import weakref
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from exp import callbacks as module
from exp.callbacks import (
    AvgStats,
    AvgStatsCallback,
    Callback,
    CallbackHandler,
    DataBunch,
    DeviceCallback,
    HandlerCallback,
    Learner,
    Runner,
    TrainEvalCallback,
    all_batches,
    camel2snake,
    fit,
    get_model,
    listify,
    one_batch,
)
from exp.minibatch_training import Dataset, accuracy, get_dls
from exp.minibatch_training import fit as bare_fit

LAW = settings(deadline=None, max_examples=30)
EVENTS = ("begin_fit begin_epoch begin_batch after_pred after_loss after_backward after_step "
          "after_batch begin_validate after_epoch after_fit").split()
HANDLER_EVENTS = [event for event in EVENTS if event not in ("after_pred", "after_batch")]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def task(seed=0, bs=5):
    "A learner whose mode matters (dropout, batch norm), on 23 shuffled samples and 13 more."
    torch.manual_seed(seed)
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 3)
    net = nn.Sequential(*layers)
    x, y = torch.randn(36, 4), torch.randint(3, (36,))
    dls = get_dls(Dataset(x[:23], y[:23]), Dataset(x[23:], y[23:]), bs)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    return Learner(net, opt, cross_entropy, DataBunch(*dls, 3))


def toy(n_train=3, n_valid=2):
    "A learner on given batches of two samples."
    torch.manual_seed(0)
    batches = [(torch.randn(2, 4), torch.randint(3, (2,))) for _ in range(n_train + n_valid)]
    net = nn.Linear(4, 3)
    return Learner(net, torch.optim.SGD(net.parameters(), 0.1), cross_entropy,
                   DataBunch(batches[:n_train], batches[n_train:]))


def by_hand(epochs, learn):
    "The same training, written out."
    for _ in range(epochs):
        learn.model.train()
        for xb, yb in learn.data.train_dl:
            loss = learn.loss_func(learn.model(xb), yb)
            loss.backward()
            learn.opt.step()
            learn.opt.zero_grad()
        learn.model.eval()
        with torch.no_grad():
            for xb, _ in learn.data.valid_dl: learn.model(xb)


def state(learn):
    "Everything that training changes: weights, batch norm, momentum, random numbers."
    momentum = [learn.opt.state[p].get("momentum_buffer") for p in learn.model.parameters()]
    momentum = [buffer for buffer in momentum if buffer is not None]
    return [*learn.model.state_dict().values(), *momentum, torch.get_rng_state()]


def assert_same(a, b):
    assert len(a) == len(b)
    assert all(torch.equal(x, y) for x, y in zip(a, b)), "not bit for bit the same"


def callback(name="Some", order=0, **methods):
    "A callback of a new class with these methods."
    return type(name, (Callback,), {"order": order, **methods})()


class Hears(Callback):
    "Writes down every event; answers True where (event, how often it came) is in `trues`."
    def __init__(self, trues=()): self.trues, self.heard = trues, []

    def answer(self, event):
        self.heard.append(event)
        return (event, self.heard.count(event)) in self.trues


for _event in EVENTS: setattr(Hears, _event, lambda self, event=_event: self.answer(event))


class HandlerHears(HandlerCallback):
    "The same for the handler: answers False where (event, how often it came) is in `falses`."
    def __init__(self, falses=()): self.falses, self.heard, self.given = falses, [], []

    def answer(self, event, args):
        self.heard.append(event)
        self.given.append(args)
        return (event, self.heard.count(event)) not in self.falses


for _event in HANDLER_EVENTS:
    setattr(HandlerHears, _event, lambda self, *args, event=_event: self.answer(event, args))


def halves(objections):
    "The objections, dealt to two callbacks."
    return set(sorted(objections)[::2]), set(sorted(objections)[1::2])


def expected_events(objections, epochs, n_train, n_valid, names):
    "Which events are heard, from the table of what an objection does."
    heard = []

    def objected(event):
        if event not in names: return False
        heard.append(event)
        return (event, heard.count(event)) in objections

    def run_pass(n, events):
        for _ in range(n):
            any(objected(event) for event in events)
            objected("after_batch")

    if not objected("begin_fit"):
        for _ in range(epochs):
            if not objected("begin_epoch"): run_pass(n_train, EVENTS[2:7])
            if not objected("begin_validate"): run_pass(n_valid, EVENTS[2:5])
            if objected("after_epoch"): break
    objected("after_fit")
    return heard


def objections(names):
    "Some (event, how often it came) at which a callback objects."
    return st.sets(st.tuples(st.sampled_from(names), st.integers(1, 4)), max_size=6)


class CountingSGD(torch.optim.SGD):
    "Counts its calls."
    steps = resets = 0

    def step(self):
        self.steps += 1
        super().step()

    def zero_grad(self):
        self.resets += 1
        super().zero_grad()


def counting(learn):
    learn.opt = CountingSGD(learn.model.parameters(), 0.1)
    return learn


def test_exports_are_those_of_the_issue():
    assert sorted(module.__all__) == sorted(
        ("DataBunch get_model Learner HandlerCallback CallbackHandler one_batch all_batches fit "
         "camel2snake listify Callback TrainEvalCallback DeviceCallback Runner AvgStats "
         "AvgStatsCallback").split())
    assert all(getattr(module, name).__doc__ for name in module.__all__)


# DataBunch, get_model, Learner

def test_datasets_follow_replaced_loaders():
    a, b = (TensorDataset(torch.zeros(n, 2), torch.zeros(n)) for n in (3, 4))
    bunch = DataBunch(DataLoader(a), DataLoader(b))
    assert bunch.train_ds is a and bunch.valid_ds is b and bunch.c is None
    bunch.train_dl, bunch.valid_dl = DataLoader(b), DataLoader(a)
    assert bunch.train_ds is b and bunch.valid_ds is a


def test_datasets_cannot_be_set_past_the_loaders():
    bunch = DataBunch(DataLoader([1]), DataLoader([2]))
    with pytest.raises(AttributeError): bunch.train_ds = [3]


@LAW
@given(n_in=st.integers(1, 9), nh=st.integers(1, 9), c=st.integers(1, 9), lr=st.floats(0.001, 2))
def test_get_model_reads_sizes_from_the_data(n_in, nh, c, lr):
    ds = Dataset(torch.randn(4, n_in), torch.zeros(4, dtype=torch.long))
    model, opt = get_model(DataBunch(*get_dls(ds, ds, 2), c), lr=lr, nh=nh)
    assert model(ds.x).shape == (4, c)
    assert [tuple(p.shape) for p in model.parameters()] == [(nh, n_in), (nh,), (c, nh), (c,)]
    (group,) = opt.param_groups
    assert group["lr"] == lr and [*map(id, group["params"])] == [*map(id, model.parameters())]
    w1, b1, w2, b2 = model.parameters()
    torch.testing.assert_close(model(ds.x), (ds.x @ w1.T + b1).clamp(min=0) @ w2.T + b2)


def test_get_model_has_the_numbers_of_the_story_as_defaults():
    ds = Dataset(torch.randn(4, 2), torch.zeros(4, dtype=torch.long))
    model, opt = get_model(DataBunch(*get_dls(ds, ds, 2), 3))
    assert model[0].out_features == 50 and opt.param_groups[0]["lr"] == 0.5


def test_get_model_without_c_says_what_to_give():
    with pytest.raises(ValueError, match=r"data\.c is None.*DataBunch\(train_dl, valid_dl, c\)"):
        get_model(DataBunch(DataLoader([1]), DataLoader([2])))


def test_learner_holds_what_it_is_given():
    learn = Learner(1, 2, 3, 4)
    assert (learn.model, learn.opt, learn.loss_func, learn.data) == (1, 2, 3, 4)


# both loops train as one by hand does

def fit_barely(learn):
    "The fit of lesson 03 on what a learner holds."
    data = learn.data
    bare_fit(3, learn.model, learn.loss_func, learn.opt, data.train_dl, data.valid_dl)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("train", [
    fit_barely,
    lambda learn: fit(3, learn),
    lambda learn: fit(3, learn, CallbackHandler([HandlerCallback(), HandlerCallback()])),
    lambda learn: Runner().fit(3, learn),
    lambda learn: Runner([Hears(), AvgStatsCallback(accuracy)]).fit(3, learn),
], ids=["bare fit", "fit", "fit with callbacks", "Runner", "Runner with callbacks"])
def test_training_is_bit_for_bit_that_of_a_loop_by_hand(train, seed):
    learn = task(seed)
    by_hand(3, learn)
    expected = state(learn)
    learn = task(seed)
    train(learn)
    assert_same(state(learn), expected)


@pytest.mark.parametrize("train", [fit, Runner().fit], ids=["fit", "Runner"])
def test_no_epochs_change_nothing(train):
    learn = task()
    before = copy.deepcopy(learn.model)
    train(0, learn)
    assert_same([*learn.model.state_dict().values()], [*before.state_dict().values()])


@pytest.mark.parametrize("train", [fit, Runner().fit], ids=["fit", "Runner"])
def test_validation_keeps_no_gradients_and_gradients_are_on_again_after_a_fit(train):
    flags = []

    def loss_func(pred, yb):
        flags.append((pred.requires_grad, torch.is_grad_enabled()))
        return cross_entropy(pred, yb)

    learn = toy()
    learn.loss_func = loss_func
    train(2, learn)
    assert flags == ([(True, True)] * 3 + [(False, False)] * 2) * 2
    assert torch.is_grad_enabled()


# HandlerCallback, CallbackHandler, fit

def test_handler_callbacks_keep_what_they_are_given_and_say_go_on():
    cb, learn, loss = HandlerCallback(), object(), object()
    assert cb.begin_fit(learn) is cb.begin_epoch(3) is cb.begin_batch(4, 5) is True
    assert cb.after_loss(loss) is cb.after_backward() is cb.after_step() is True
    assert cb.begin_validate() is cb.after_epoch() is cb.after_fit() is True
    assert (cb.learn, cb.epoch, cb.xb, cb.yb, cb.loss) == (learn, 3, 4, 5, loss)


@LAW
@given(st.lists(st.sampled_from([True, False, None, 1, 0]), max_size=5))
def test_the_handler_asks_everyone_in_order_and_says_yes_if_all_do(answers):
    asked = []

    def says(i, answer):
        cb = HandlerCallback()
        cb.after_step = lambda: asked.append(i) or answer
        return cb

    handler = CallbackHandler([says(i, answer) for i, answer in enumerate(answers)])
    assert handler.after_step() is all(answers)
    assert asked == list(range(len(answers)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("time", [1, 2, 4])
@pytest.mark.parametrize("event", HANDLER_EVENTS)
def test_no_at_one_event_does_what_the_handlers_table_says(event, time, first):
    objects, hears = HandlerHears({(event, time)}), HandlerHears()
    fit(2, toy(), CallbackHandler([objects, hears] if first else [hears, objects]))
    assert hears.heard == objects.heard
    assert hears.heard == expected_events({(event, time)}, 2, 3, 2, HANDLER_EVENTS)


@LAW
@given(objections(HANDLER_EVENTS), st.integers(0, 3))
def test_no_at_several_events_does_what_the_handlers_table_says(falses, epochs):
    learn, cbs = counting(toy()), [HandlerHears(part) for part in halves(falses)]
    fit(epochs, learn, CallbackHandler(cb for cb in cbs))
    expected = expected_events(falses, epochs, 3, 2, HANDLER_EVENTS)
    assert cbs[0].heard == cbs[1].heard == expected
    assert learn.opt.steps == expected.count("after_step")
    assert learn.opt.resets == learn.opt.steps - sum(
        event == "after_step" and n <= learn.opt.steps for event, n in falses)


def test_the_handler_passes_on_learner_epoch_batch_and_loss_and_keeps_no_inputs():
    learn, cb = toy(), HandlerHears()
    handler = CallbackHandler([cb])
    fit(2, learn, handler)
    given = {event: [] for event in HANDLER_EVENTS}
    for event, args in zip(cb.heard, cb.given): given[event].append(args)
    assert given["begin_fit"] == [(learn,)] and given["begin_epoch"] == [(0,), (1,)]
    batches = [*learn.data.train_dl, *learn.data.valid_dl] * 2
    for (xb, yb), (x, y) in zip(given["begin_batch"], batches, strict=True):
        assert xb is x and yb is y
    assert [loss.requires_grad for (loss,) in given["after_loss"]] == ([True] * 3 + [False] * 2) * 2
    assert not any(torch.is_tensor(value) for value in vars(handler).values())


def test_reading_do_stop_clears_it_and_a_fit_starts_without_a_stop():
    learn, handler = toy(), CallbackHandler()
    learn.stop = True
    handler.begin_fit(learn)
    assert handler.do_stop() is False
    learn.stop = True
    assert handler.do_stop() is True
    assert handler.do_stop() is False


@pytest.mark.parametrize("at", [(0, True, 1), (1, True, 3), (1, False, 1), (0, False, 2)])
def test_learn_stop_ends_its_pass_and_no_other(at):
    class Stops(HandlerCallback):
        modes = ()

        def begin_batch(self, xb, yb):
            self.modes += self.learn.model.training,
            if (self.epoch, self.modes[-1], len(self.modes) - before) == at: self.learn.stop = True
            return True

        def begin_epoch(self, epoch):
            nonlocal before
            before = len(self.modes)
            return super().begin_epoch(epoch)

        def begin_validate(self):
            nonlocal before
            before = len(self.modes)
            return True

    before, cb = 0, Stops()
    fit(3, toy(), CallbackHandler([cb]))
    whole = [(epoch, mode, i) for epoch in range(3)
             for mode, n in ((True, 3), (False, 2)) for i in range(1, n + 1)]
    expected = [mode for epoch, mode, i in whole if (epoch, mode) != at[:2] or i <= at[2]]
    assert list(cb.modes) == expected


def test_gradients_add_up_when_after_backward_says_no_to_the_handler():
    learn, keep = counting(toy()), HandlerCallback()
    weights = copy.deepcopy(learn.model)
    keep.after_backward = lambda: False
    handler = CallbackHandler([keep])
    handler.begin_fit(learn)
    for xb, yb in learn.data.train_dl: one_batch(xb, yb, handler)
    sum(cross_entropy(weights(xb), yb) for xb, yb in learn.data.train_dl).backward()
    torch.testing.assert_close(learn.model.weight.grad, weights.weight.grad)
    assert torch.equal(learn.model.weight, weights.weight)
    assert learn.opt.steps == learn.opt.resets == 0


def test_all_batches_takes_any_iterable_of_batches():
    learn, cb = toy(), HandlerHears()
    handler = CallbackHandler([cb])
    handler.begin_fit(learn)
    all_batches(iter(learn.data.train_dl), handler)
    assert cb.heard.count("after_step") == 3


def test_the_handlers_fit_uses_what_a_callback_puts_on_the_learner():
    class Replaces(HandlerCallback):
        def after_epoch(self):
            self.learn.model, self.learn.opt = other.model, other.opt
            self.learn.data = other.data
            return True

    learn, other, expected = toy(), toy(1, 1), toy(1, 1)
    by_hand(1, expected)
    fit(2, learn, CallbackHandler([Replaces()]))
    assert_same([*other.model.parameters()], [*expected.model.parameters()])


# camel2snake, listify

@pytest.mark.parametrize(("camel", "snake"), [
    ("TerminateOnNaN", "terminate_on_nan"), ("Conv2d", "conv2d"), ("LRFinder", "lr_finder"),
    ("AvgStats", "avg_stats"), ("UseGPU", "use_gpu"), ("HTTPServer2Go", "http_server2_go"),
    ("TrainEval", "train_eval"), ("Conv2dBlock", "conv2d_block"), ("F1Score", "f1_score"),
    ("NaN", "nan"), ("A", "a"), ("", ""), ("ALLCAPS", "allcaps"),
    ("already_snake", "already_snake")])
def test_camel2snake_cases(camel, snake):
    assert camel2snake(camel) == snake


@LAW
@given(st.lists(st.from_regex(r"[a-z][a-z]+[0-9]{0,2}", fullmatch=True), min_size=1, max_size=5))
def test_camel2snake_undoes_joining_words(words):
    assert camel2snake("".join(word.capitalize() for word in words)) == "_".join(words)


@LAW
@given(st.from_regex(r"[A-Za-z0-9]{0,12}", fullmatch=True))
def test_camel2snake_adds_underscores_and_nothing_else(name):
    snake = camel2snake(name)
    assert snake.replace("_", "") == name.lower() and "__" not in snake
    assert camel2snake(snake) == snake


@LAW
@given(st.lists(st.integers()))
def test_listify_lists_what_collections_hold(items):
    assert listify(items) == listify(tuple(items)) == listify(iter(items)) == items
    assert listify(i for i in items) == items
    assert sorted(listify(set(items))) == sorted(set(items))
    assert listify(range(len(items))) == list(range(len(items)))
    assert listify(items) is not items


@pytest.mark.parametrize("thing", [
    "", "ab", b"ab", 0, False, 1.5, {}, {"a": 1}, len, torch.arange(3), torch.tensor(1.),
    nn.Sequential(nn.ReLU()), nn.ModuleList()], ids=repr)
def test_listify_keeps_one_thing_whole(thing):
    (only,) = listify(thing)
    assert only is thing


def test_listify_of_none_is_empty():
    assert listify(None) == [] and listify([None]) == [None]


# Callback

class Sees(Callback):
    own = 1

    @property
    def typo(self): return self.lerning_rate

    @property
    def refuses(self): raise AttributeError("for reasons of its own")


def with_runner(cb, **attributes):
    cb.set_runner(SimpleNamespace(**attributes))
    return cb


def test_attributes_are_the_callbacks_then_its_runners():
    cb = with_runner(Sees(), own=2, pred=None, lr=0.1)
    assert cb.own == 1 and cb.pred is None and cb.lr == 0.1


@pytest.mark.parametrize("name", ["epoch", "loss", "model", "stats"])
def test_a_look_up_of_the_runners_before_there_is_one_says_so(name):
    expected = f"Sees has no Runner yet, so no '{name}'; it is there during a fit"
    with pytest.raises(AttributeError, match=expected): getattr(Sees(), name)
    assert not hasattr(Sees(), name)


@pytest.mark.parametrize("name", ["xyzzy", "run", "_private", "__deepcopy__"])
def test_a_look_up_without_a_runner_ends_in_a_clear_error(name):
    expected = f"neither Sees nor a Runner, since none is set yet, has.*'{name}'"
    with pytest.raises(AttributeError, match=expected): getattr(Sees(), name)
    assert not hasattr(Sees(), name)


def test_an_unknown_name_is_reported_with_class_runner_and_a_proposal():
    neither = "neither Sees nor its Runner has an attribute"
    with pytest.raises(AttributeError, match=f"{neither} 'epocs'; did you mean 'epochs'"):
        _ = Runner(Sees()).sees.epocs
    with pytest.raises(AttributeError, match=f"{neither} 'xyzzy'$"):
        _ = Runner(Sees()).sees.xyzzy
    with pytest.raises(AttributeError, match="'n_itr'; did you mean 'n_iter'"):
        _ = Sees().n_itr


def test_a_typo_in_a_property_is_reported_as_the_typo():
    proposal = "'lerning_rate'; did you mean 'learning_rate'"
    with pytest.raises(AttributeError, match=proposal) as caught:
        _ = with_runner(Sees(), learning_rate=1, typo=2).typo
    assert "'typo'" not in str(caught.value)
    with pytest.raises(AttributeError, match="^for reasons of its own$"):
        _ = with_runner(Sees(), refuses=2).refuses


def test_special_methods_are_not_taken_from_the_runner():
    cb = Runner(Sees()).sees
    assert hasattr(cb.run, "__call__") and not hasattr(cb, "__call__")  # noqa: B004


def repickle(thing): return pickle.loads(pickle.dumps(thing))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, repickle])
def test_callbacks_can_be_copied_and_pickled_with_and_without_a_runner(again):
    cb = Sees()
    cb.mine = [3]
    assert again(cb).mine == [3]
    Runner(cb)
    assert again(cb).mine == [3] and again(cb).run.sees.own == 1


@pytest.mark.parametrize("name", (
    "learn model opt loss_func data xb yb pred loss in_train epoch epochs iters n_iter "
    "epochs_done stop stats cbs").split())
def test_setting_a_runners_name_on_the_callback_warns_and_says_what_to_write(name):
    expected = f"^Sees: self.{name} .*write self.run.{name} = "
    with pytest.warns(UserWarning, match=expected): setattr(Sees(), name, 1)


def test_the_warning_comes_once_per_place_and_names_the_place():
    class Writes(Callback):
        def __init__(self): self.loss = 0
        def after_loss(self): self.loss = 2

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3): Writes().after_loss()
    assert len(caught) == 2 and {w.filename for w in caught} == {__file__}
    assert caught[0].lineno == Writes.__init__.__code__.co_firstlineno


def test_what_is_the_callbacks_own_or_written_to_the_runner_does_not_warn():
    class Doubles(Callback):
        def __init__(self): self.factor = 2
        def after_loss(self): self.run.loss = self.factor * self.loss

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Runner([Doubles(), AvgStatsCallback(accuracy), DeviceCallback("cpu"),
                TrainEvalCallback()]).fit(1, toy())


@pytest.mark.parametrize(("cls", "name"), [
    (AvgStatsCallback, "avg_stats"), (TrainEvalCallback, "train_eval"), (DeviceCallback, "device"),
    (Callback, "callback"), (Sees, "sees"),
    (type("CallbackTimer", (Callback,), {}), "callback_timer")])
def test_names(cls, name):
    assert cls().name == name


# Runner: who is there

def test_callbacks_are_reachable_by_name_given_as_instances_or_as_functions_that_make_them():
    run = Runner([Hears()], cb_funcs=[partial(AvgStatsCallback, accuracy), Sees])
    assert run.hears.run is run.sees.run is run.avg_stats.run is run
    assert run.avg_stats.train_stats.metrics == [accuracy]
    for one in (Runner(cb_funcs=Sees), Runner(Sees()), Runner((Sees(),))): assert one.sees.own == 1
    assert Runner(cb_funcs=Sees).sees is not Runner(cb_funcs=Sees).sees


def test_callbacks_of_both_arguments_are_there_instances_first():
    run = Runner((cb for cb in [Sees(), Hears()]), cb_funcs=[AvgStatsCallback, DeviceCallback])
    assert [cb.name for cb in run.cbs] == ["train_eval", "device", "sees", "hears", "avg_stats"]


def test_a_subclass_listens_to_the_events_of_its_base():
    class Derived(Hears):
        def after_batch(self): pass

    run = Runner(Derived())
    run.fit(2, toy())
    others = [event for event in EVENTS if event != "after_batch"]
    assert run.derived.heard == expected_events(set(), 2, 3, 2, others)


@LAW
@given(st.lists(st.integers(-12, 3), max_size=6))
def test_callbacks_are_called_by_order_then_as_given(orders):
    called = []
    cbs = [callback(order=order, begin_fit=lambda self: called.append(self)) for order in orders]
    for i, cb in enumerate(cbs): type(cb).__name__ = f"Number{i}"
    Runner(cbs).fit(0, toy())
    assert called == sorted(cbs, key=lambda cb: cb.order)


def test_a_runner_has_one_train_eval_in_front_even_of_a_subclass():
    class Own(TrainEvalCallback): pass

    assert [type(cb) for cb in Runner(Sees()).cbs] == [TrainEvalCallback, Sees]
    own = Own()
    assert Runner([Sees(), own]).cbs[0] is own and len(Runner([Sees(), own]).cbs) == 2


def test_of_two_callbacks_of_one_class_both_are_called_and_the_first_has_the_name():
    one, two = Hears(), Hears()
    run = Runner([one, two])
    run.fit(1, toy())
    assert run.hears is one and one.heard == two.heard and len(one.heard) > 20


@pytest.mark.parametrize("name", [n for n in dir(Runner()) if not n.startswith("_")])
def test_a_callback_cannot_take_a_name_of_the_runner(name):
    cb = callback("".join(word.capitalize() for word in name.split("_")))
    assert cb.name == name
    taken = f"class {type(cb).__name__} would be the Runner's '{name}'.*taken"
    with pytest.raises(ValueError, match=taken): Runner(cb)


def test_two_classes_of_one_name_are_refused():
    cbs = [callback("Twice"), callback("TwiceCallback")]
    with pytest.raises(ValueError, match="'twice'.*taken"): Runner(cbs)


@pytest.mark.parametrize("thing", [Sees, accuracy, "avg_stats", 3, HandlerCallback()], ids=str)
def test_what_is_no_callback_is_refused(thing):
    with pytest.raises(TypeError, match="is no Callback; give an instance"): Runner(thing)


def test_a_method_named_like_no_event_warns_where_the_runner_is_made():
    cb = callback("Typo", begin_bacth=lambda self: None)
    expected = r"Typo\.begin_bacth is never called.*did you mean 'begin_batch'"
    with pytest.warns(UserWarning, match=expected) as caught: Runner(cb)
    assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.parametrize("event", ["begin_bacth", "fit", ""])
def test_an_event_that_does_not_exist_is_an_error_that_lists_those_that_do(event):
    with pytest.raises(ValueError, match=f"no event '{event}'") as caught: Runner()(event)
    assert all(name in str(caught.value) for name in EVENTS)


def test_a_subclass_of_runner_may_have_more_events():
    class More(Runner): events = {**Runner.events, "after_cancel_fit": "nothing"}

    run = More(callback("Listens", after_cancel_fit=lambda self: True))
    assert run("after_cancel_fit") is True


def test_a_callback_works_for_the_runner_whose_fit_it_is():
    cb = Hears()
    one, two = Runner(cb), Runner(cb)
    one.fit(1, toy())
    assert cb.run is one
    two.fit(1, toy())
    assert cb.run is two


# Runner: who is asked, and what the answers do

@LAW
@given(st.lists(st.sampled_from([True, False, None, 1]), max_size=5))
def test_everyone_is_asked_and_the_answer_is_true_if_anyone_said_so(answers):
    asked = []
    cbs = [callback(f"Cb{i}", after_step=lambda self, i=i: asked.append(i) or answers[i])
           for i in range(len(answers))]
    assert Runner(cbs)("after_step") is any(answers)
    assert asked == list(range(len(answers)))


@pytest.mark.parametrize("order", [-20, -1, 1])
@pytest.mark.parametrize("time", [1, 2, 4])
@pytest.mark.parametrize("event", EVENTS)
def test_true_at_one_event_does_what_the_table_says(event, time, order):
    says_true, hears = Hears({(event, time)}), Hears()
    says_true.order = order
    Runner([hears, says_true]).fit(2, toy())
    assert hears.heard == says_true.heard == expected_events({(event, time)}, 2, 3, 2, EVENTS)


@LAW
@given(objections(EVENTS), st.integers(0, 3))
def test_true_at_several_events_does_what_the_table_says(trues, epochs):
    learn, (one, two) = counting(toy()), halves(trues)
    cbs = [Hears(one), Hears(), Hears(two)]
    Runner(cbs).fit(epochs, learn)
    expected = expected_events(trues, epochs, 3, 2, EVENTS)
    assert cbs[0].heard == cbs[1].heard == cbs[2].heard == expected
    assert learn.opt.steps == expected.count("after_step")
    assert learn.opt.resets == learn.opt.steps - sum(
        event == "after_step" and n <= learn.opt.steps for event, n in trues)


@pytest.mark.parametrize("event", EVENTS)
def test_the_table_of_events_says_what_true_means(event):
    assert Runner.events[event]


def test_an_early_stop_does_not_silence_the_statistics():
    for order in (-1, 1):
        run = Runner([AvgStatsCallback(), callback("Stops", order, after_epoch=lambda self: True)])
        run.fit(3, toy())
        assert set(run.stats) == {"train_loss", "valid_loss"} and run.epoch == 0


@pytest.mark.parametrize("bs", [2, 3, 4, 6])
def test_accumulated_gradients_train_like_the_big_batch(bs):
    class Accumulates(Callback):
        def after_backward(self):
            if (self.n_iter + 1) % (12 // bs): return True
            for p in self.model.parameters(): p.grad /= 12 // bs

    def weights(bs, cbs):
        torch.manual_seed(0)
        x, y, net = torch.randn(36, 4), torch.randint(3, (36,)), nn.Linear(4, 3)
        dl = DataLoader(TensorDataset(x, y), bs)
        opt = torch.optim.SGD(net.parameters(), 0.3)
        Runner(cbs).fit(2, Learner(net, opt, cross_entropy, DataBunch(dl, [])))
        return net.weight

    torch.testing.assert_close(weights(bs, Accumulates()), weights(12, None))
    assert not torch.allclose(weights(bs, None), weights(12, None))


# Runner: what callbacks see and change

def test_counters_modes_and_fractions_of_epochs():
    seen = []

    def look(self):
        run = self.run
        assert run.epochs == 2 and run.iters == 4 and run.model.training == run.in_train
        seen.append((run.epoch, run.n_iter, run.epochs_done, run.in_train))

    Runner(callback(begin_batch=look)).fit(2, toy(4, 1))
    train = [(e, 4 * e + i, e + i / 4, True) for e in range(2) for i in range(4)]
    assert [row for row in seen if row[3]] == train
    valid = [(e, 4 * e + 4, e + 1., False) for e in range(2)]
    assert [row for row in seen if not row[3]] == valid


def test_epochs_are_counted_whole_after_a_pass_that_was_cut_short():
    done = []

    def stop(self): self.run.stop = True

    def note(self): done.append(self.epochs_done)

    Runner(callback(begin_epoch=note, begin_batch=stop)).fit(3, toy())
    assert done == [0., 1., 2.]


def test_data_without_a_length_is_counted_without_a_fraction():
    "A stream has no length; its epochs are counted, and its batches, and no part of an epoch."
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self): return iter([(torch.ones(4), torch.tensor(1))] * 5)

    def after_batch(self): self.seen.append((self.run.n_iter, self.run.epochs_done))

    counts = callback("Counts", begin_fit=lambda self: setattr(self, "seen", []),
                      after_batch=after_batch)
    learn = toy()
    learn.data.train_dl, learn.data.valid_dl = DataLoader(Stream(), 2), []
    Runner(counts).fit(2, learn)
    assert counts.seen == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1)]


def test_a_skipped_batch_is_counted():
    run = Runner(callback(begin_batch=lambda self: True))
    run.fit(2, toy())
    assert run.n_iter == 6


def test_every_fit_starts_its_counts_anew():
    def look(self): seen.append((self.n_iter, self.epochs_done, self.stats, self.stop))
    def leave_a_stop(self): self.run.stop = True

    seen, run = [], Runner(callback(begin_fit=look, after_fit=leave_a_stop))
    for _ in range(2):
        run.stats = {"old": 1}
        run.fit(1, toy())
    assert seen == [(0, 0, {}, False)] * 2 and run.n_iter == 3


def test_what_callbacks_write_on_the_runner_is_what_the_loop_uses():
    class Writes(Callback):
        def begin_batch(self): self.run.xb, self.run.yb = self.xb * 2, 2 - self.yb
        def after_pred(self): self.run.pred = self.pred * 3
        def after_loss(self): self.run.loss = self.loss / 4

    learn, twin = toy(), toy()
    Runner(Writes()).fit(1, learn)
    for xb, yb in twin.data.train_dl:
        (cross_entropy(twin.model(xb * 2) * 3, 2 - yb) / 4).backward()
        twin.opt.step()
        twin.opt.zero_grad()
    assert_same([*learn.model.parameters()], [*twin.model.parameters()])


def test_a_model_and_optimizer_replaced_in_mid_fit_are_used_from_then_on():
    def replace(self):
        if self.n_iter == 2: self.learn.model, self.learn.opt = other.model, other.opt

    learn, other = toy(), toy()
    start = [p.clone() for p in other.model.parameters()]
    Runner(callback(begin_batch=replace)).fit(1, learn)
    twin = toy()
    twin.data.train_dl = twin.data.train_dl[2:]
    assert_same(start, [*twin.model.parameters()])
    by_hand(1, twin)
    assert_same([*other.model.parameters()], [*twin.model.parameters()])


def test_data_and_loss_replaced_in_mid_fit_are_used_from_the_next_pass_or_batch_on():
    sizes, losses = [], []

    def ones(n): return [(torch.ones(n, 4), torch.zeros(n, dtype=torch.long))]

    def count_loss(pred, yb):
        losses.append(len(yb))
        return cross_entropy(pred, yb)

    def replace(self):
        sizes.append(len(self.xb))
        self.learn.data, self.learn.loss_func = DataBunch(ones(7), ones(9)), count_loss

    Runner(callback(after_batch=replace)).fit(2, toy())
    assert sizes == [2, 2, 2, 9, 7, 9] and losses == sizes[1:]


@pytest.mark.parametrize("event", ["begin_batch", "after_pred", "after_loss", "after_batch"])
@pytest.mark.parametrize(("epoch", "train"), [(0, True), (1, True), (0, False), (1, False)])
def test_run_stop_ends_its_pass_and_no_other(event, epoch, train):
    modes = []

    def stop(self):
        if (self.epoch, self.in_train) == (epoch, train): self.run.stop = True

    cb = callback("Stops", **{event: stop})
    notes = callback("Notes", after_batch=lambda self: modes.append(self.in_train))
    Runner([notes, cb]).fit(3, toy())
    passes = [(e, mode) for e in range(3) for mode in (True, False)]
    counts = [1 if at == (epoch, train) else 3 if at[1] else 2 for at in passes]
    assert modes == [mode for (_, mode), n in zip(passes, counts) for _ in range(n)]


def test_a_stop_in_the_last_batch_of_a_pass_does_not_reach_the_next():
    heard = Hears()

    def stop(self): self.run.stop = self.n_iter % 3 == 0

    Runner([heard, callback("Stops", after_batch=stop)]).fit(2, toy(3, 2))
    assert heard.heard.count("after_step") == 6


def test_the_course_example_stops_after_ten_batches_and_prints_its_name(capsys):
    class TestCallback(Callback):
        __test__ = False

        def after_step(self):
            print(self.n_iter)
            if self.n_iter + 1 >= 10:
                self.run.stop = True
                print(self.name)

    run = Runner(TestCallback())
    run.fit(1, toy(20, 1))
    assert capsys.readouterr().out.split() == [*map(str, range(10)), "test"] and run.n_iter == 10
    assert run.test.name == "test"


# Runner: the end of a fit

@pytest.mark.parametrize("part", ["opt", "model", "loss_func", "data"])
def test_without_a_fit_the_runner_says_that_none_is_running(part):
    run = Runner()
    for _ in range(2):
        expected = f"no fit is running.*has no {part}"
        with pytest.raises(RuntimeError, match=expected): getattr(run, part)
        run.fit(1, toy())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("event", EVENTS)
def test_an_error_at_any_event_comes_out_and_leaves_runner_and_learner_usable(event, error):
    def fail(self):
        if broken: raise error(event)

    broken, learn, hears = True, task(), Hears()
    run = Runner([hears, callback("Fails", **{event: fail}), AvgStatsCallback()])
    with pytest.raises(error, match=event): run.fit(2, learn)
    assert hears.heard.count("after_fit") == 1
    assert run.learn is run.xb is run.yb is run.pred is run.loss is None
    assert torch.is_grad_enabled()
    broken, learn, twin = False, task(), task()
    torch.manual_seed(5)
    run.fit(2, learn)
    after = state(learn)
    torch.manual_seed(5)
    by_hand(2, twin)
    assert_same(after, state(twin))


def test_an_error_of_model_loss_or_loader_comes_out_and_after_fit_is_called():
    def fail(*_): raise ZeroDivisionError

    class Loader(list):
        def __iter__(self):
            yield torch.ones(2, 4), torch.zeros(2, dtype=torch.long)
            fail()

    class Fails(nn.Module): forward = fail

    broken_data = DataBunch(Loader(), [])
    for part, value in [("model", Fails()), ("loss_func", fail), ("data", broken_data)]:
        learn, hears = toy(), Hears()
        run = Runner(hears)
        setattr(learn, part, value)
        with pytest.raises(ZeroDivisionError): run.fit(1, learn)
        assert hears.heard[-1] == "after_fit" and run.learn is None


def test_after_fit_can_still_see_the_learner_and_the_last_batch():
    def look(self): seen.extend([self.model, self.opt, self.loss, self.xb])

    seen, learn = [], toy()
    Runner(callback(after_fit=look)).fit(1, learn)
    assert seen[0] is learn.model and seen[1] is learn.opt and seen[3] is learn.data.valid_dl[-1][0]


@pytest.mark.parametrize("fails_at", [None, "after_loss", "after_fit"])
def test_nothing_of_the_runner_keeps_the_learner_alive_after_a_fit(fails_at):
    def fail(self): raise ValueError

    def one_fit():
        learn = task()
        parts = learn, learn.model, learn.opt, learn.data, *learn.model.parameters()
        refs = [weakref.ref(part) for part in parts]
        try: run.fit(1, learn)
        except ValueError: assert fails_at
        return refs

    cbs = [AvgStatsCallback(accuracy), DeviceCallback("cpu"), Hears()]
    run = Runner([*cbs, *([callback("Fails", **{fails_at: fail})] if fails_at else [])])
    refs = one_fit()
    gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)


def test_a_batch_lets_go_of_its_graph():
    def note(self):
        gone.append(all(ref() is None for ref in refs))
        refs[:] = [weakref.ref(self.pred), weakref.ref(self.loss)]

    refs, gone = [], []
    Runner([AvgStatsCallback(accuracy), callback("Notes", after_loss=note)]).fit(2, toy())
    assert gone[1:] == [True] * 9


# DeviceCallback

def test_batches_and_model_are_moved_before_others_see_them():
    def look(self):
        seen.append([t.device.type for t in (self.xb, self.yb, self.model.weight)])
        assert self.xb.shape == (2, 4) and self.yb.shape == (2,)
        return True

    seen, learn = [], toy(2, 1)
    Runner([callback("Looks", begin_batch=look), DeviceCallback("meta")]).fit(1, learn)
    assert seen == [["meta"] * 3] * 3
    assert learn.data.train_dl[0][0].device.type == "cpu", "the data itself stays where it is"


@pytest.mark.parametrize(("cuda", "mps", "best"), [
    (True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_best_device_is_found(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert DeviceCallback().device == torch.device(best)
    for chosen in ("cpu", torch.device("cpu")):
        assert DeviceCallback(chosen).device == torch.device("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_training_on_cuda_agrees_with_the_cpu():
    learn, twin = toy(), toy()
    run = Runner([DeviceCallback(), AvgStatsCallback(accuracy)])
    run.fit(3, learn)
    by_hand(3, twin)
    assert learn.model.weight.is_cuda
    torch.testing.assert_close(learn.model.weight.cpu(), twin.model.weight)


# AvgStats

def batch(loss, n, pred=None):
    "What AvgStats looks at."
    loss = torch.as_tensor(loss, dtype=torch.float64)
    return SimpleNamespace(loss=loss, pred=pred, yb=torch.zeros(n))


LOSSES = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 99)), min_size=1, max_size=20)


@LAW
@given(LOSSES, st.integers(1, 60))
def test_averages_over_ragged_batches_are_exact(batches, repeats):
    stats = AvgStats(lambda pred, yb: pred, True)
    for loss, n in batches * repeats: stats.accumulate(batch(loss, n, pred=-2 * loss))
    total = sum(Fraction(loss) * n for loss, n in batches)
    expected = float(total / sum(n for _, n in batches))
    size = max(abs(loss) for loss, _ in batches)
    assert stats.avg_stats == pytest.approx([expected, -2 * expected], abs=1e-12 * size, rel=1e-12)


@LAW
@given(LOSSES)
def test_reading_averages_changes_nothing_and_reset_forgets_all(batches):
    often, once = AvgStats(None, True), AvgStats(None, True)
    for loss, n in batches:
        for stats in (often, once): stats.accumulate(batch(loss, n))
        assert often.avg_stats == often.avg_stats
    assert often.avg_stats == pytest.approx(once.avg_stats, rel=1e-9, abs=1e-6)
    for stats in (often, once):
        stats.accumulate(batch(1., 1))
        stats.reset()
        assert math.isnan(stats.avg_stats[0]) and stats.count == 0
        stats.accumulate(batch(2., 3))
        assert stats.avg_stats == [2.]


@pytest.mark.parametrize("value", [
    0.25, torch.tensor(0.25), torch.tensor([0.25]), torch.tensor(0.25).double(),
    torch.tensor(0.25).bfloat16(), torch.tensor(0.25, requires_grad=True)], ids=repr)
def test_a_metric_may_return_a_number_or_any_one_element_tensor(value):
    stats = AvgStats(lambda pred, yb: value, False)
    for n in (3, 300): stats.accumulate(batch(1., n))
    assert stats.avg_stats == [1., 0.25]


def test_a_metric_may_return_now_a_number_now_a_tensor_and_whole_numbers():
    stats = AvgStats([lambda pred, yb: pred, lambda pred, yb: len(yb)], False)
    for pred in (1, torch.tensor(2.), True): stats.accumulate(batch(0., 2, pred))
    assert stats.avg_stats == pytest.approx([0., 4 / 3, 2.])


def test_a_loss_that_is_not_a_number_is_not_hidden():
    stats = AvgStats(None, True)
    for loss in (1., float("nan"), 2.): stats.accumulate(batch(loss, 2))
    assert math.isnan(stats.avg_stats[0])


def test_names_of_functions_partials_and_objects():
    class TopK:
        def __call__(self, pred, yb): return 0.

    for metric, name in [
            (accuracy, "accuracy"), (partial(accuracy), "accuracy"), (TopK(), "top_k"),
            (partial(partial(TopK())), "top_k"), (nn.CrossEntropyLoss(), "cross_entropy_loss"),
            (cross_entropy, "cross_entropy")]:
        assert AvgStats([accuracy, metric], True).names == ["loss", "accuracy", name]


def test_what_averages_look_like():
    train, valid = AvgStats(accuracy, True), AvgStats(None, False)
    seen = batch(0.5, 4, pred=torch.tensor([[0., 1.]] * 4))
    seen.yb = torch.tensor([1, 1, 1, 0])
    train.accumulate(seen)
    valid.accumulate(batch(1 / 3, 2))
    assert repr(train) == "train  loss 0.5000  accuracy 0.7500"
    assert repr(valid) == "valid  loss 0.3333"
    assert train.metrics == [accuracy] and train.in_train is True


def test_no_graph_is_kept():
    class Saved:
        "What a graph holds on to."
        def __init__(self, tensor): self.tensor = tensor

    def pack(tensor):
        held.add(saved := Saved(tensor))
        return saved

    stats, held = AvgStats(lambda pred, yb: pred.square().mean(), True), weakref.WeakSet()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        for _ in range(3):
            pred = torch.full((3,), 2., requires_grad=True).square()
            seen = SimpleNamespace(loss=pred.square().sum(), pred=pred, yb=torch.zeros(3))
            stats.accumulate(seen)
    assert len(held) > 0
    del pred, seen
    gc.collect()
    assert len(held) == 0 and stats.avg_stats == [48., 16.]


def test_batches_are_noted_without_asking_the_device_for_a_number():
    stats = AvgStats(lambda pred, yb: pred.mean(), True)
    nowhere = torch.ones(3, device="meta", requires_grad=True)  # has no numbers to ask for
    seen = SimpleNamespace(loss=nowhere.sum(), pred=nowhere, yb=torch.zeros(3))
    for _ in range(100): stats.accumulate(seen)
    with pytest.raises(RuntimeError): _ = stats.avg_stats


# AvgStatsCallback

def averages_by_hand(learn):
    "One epoch by hand: [[loss, accuracy] of training, the same of validation], means over samples."
    rows = []
    for dl, train in ((learn.data.train_dl, True), (learn.data.valid_dl, False)):
        learn.model.train(train)
        losses, right = [], []
        for xb, yb in dl:
            with torch.set_grad_enabled(train): pred = learn.model(xb)
            losses += cross_entropy(pred, yb, reduction="none").tolist()
            right += (pred.argmax(1) == yb).tolist()
            if train:
                cross_entropy(pred, yb).backward()
                learn.opt.step()
                learn.opt.zero_grad()
        rows.append([statistics.fmean(losses), statistics.fmean(right)])
    return rows


@pytest.mark.parametrize("bs", [4, 5, 7, 23])
def test_averages_of_every_epoch_are_those_over_all_samples_by_hand(capsys, bs):
    learn, run = task(3, bs), Runner(AvgStatsCallback(accuracy))
    run.fit(3, learn)
    lines, twin = capsys.readouterr().out.splitlines(), task(3, bs)
    for epoch in range(3):
        rows = averages_by_hand(twin)
        for line, mode, row in zip(lines[2 * epoch:2 * epoch + 2], ("train", "valid"), rows):
            number = r"(\d\.\d{4})"
            match = re.fullmatch(f"epoch {epoch}  {mode}  loss {number}  accuracy {number}", line)
            assert [float(x) for x in match.groups()] == pytest.approx(row, abs=6e-5)
    assert len(lines) == 6
    assert run.avg_stats.train_stats.avg_stats == pytest.approx(rows[0], rel=1e-5)
    assert run.avg_stats.valid_stats.avg_stats == pytest.approx(rows[1], rel=1e-5)
    train, valid = run.avg_stats.train_stats, run.avg_stats.valid_stats
    assert run.stats == {"train_loss": train.avg_stats[0], "valid_loss": valid.avg_stats[0],
                         "accuracy": valid.avg_stats[1]}


def test_the_epochs_mean_is_the_float64_mean_of_the_batch_values_to_the_last_digits():
    seen = []

    def note(self):
        if self.in_train: seen.append((self.loss.item(), len(self.yb)))

    run = Runner([AvgStatsCallback(), callback("Notes", after_loss=note)])
    run.fit(1, task(bs=3))
    expected = math.fsum(loss * n for loss, n in seen) / sum(n for _, n in seen)
    assert run.stats["train_loss"] == pytest.approx(expected, rel=1e-15, abs=0)


def test_statistics_are_there_for_other_callbacks_at_the_end_of_each_epoch():
    seen = []
    reads = callback("Reads", 1, after_epoch=lambda self: seen.append(self.stats))
    Runner([reads, AvgStatsCallback(accuracy)]).fit(2, toy())
    assert [[*stats] for stats in seen] == [["train_loss", "valid_loss", "accuracy"]] * 2
    assert seen[0] != seen[1]


@pytest.mark.parametrize(("event", "learn", "names"), [
    ("begin_validate", toy, ["train_loss"]), ("begin_epoch", toy, ["valid_loss", "accuracy"]),
    ("begin_fit", toy, []), (None, lambda: toy(3, 0), ["train_loss"]),
    (None, lambda: toy(0, 2), ["valid_loss", "accuracy"])])
def test_a_pass_that_did_not_happen_is_left_out(capsys, event, learn, names):
    skips = [callback("Skips", **{event: lambda self: True})] if event else []
    run = Runner([AvgStatsCallback(accuracy), *skips])
    run.fit(1, learn())
    assert [*run.stats] == names
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len({name == "train_loss" for name in names})


def test_a_quiet_callback_prints_nothing_and_measures_the_same(capsys):
    loud, quiet = AvgStatsCallback(accuracy), AvgStatsCallback(accuracy, quiet=True)
    stats = []
    for cb in (loud, quiet):
        run = Runner(cb)
        run.fit(2, toy())
        stats.append(run.stats)
        assert bool(capsys.readouterr().out) == (cb is loud)
    assert stats[0] == stats[1] and len(stats[0]) == 3


def test_skipped_batches_are_not_averaged():
    run = Runner([AvgStatsCallback(), callback("Skips", begin_batch=lambda self: self.n_iter == 1)])
    run.fit(1, toy())
    assert run.avg_stats.train_stats.count == 4 and run.avg_stats.valid_stats.count == 4


@pytest.mark.parametrize("order", [-1, 1])
def test_another_callbacks_true_after_the_loss_does_not_hide_the_batch(order):
    run = Runner([AvgStatsCallback(), callback("Says", order, after_loss=lambda self: True)])
    run.fit(1, toy())
    assert run.avg_stats.train_stats.count == 6


def test_a_factory_gives_every_runner_its_own_statistics():
    make = partial(AvgStatsCallback, accuracy)
    one, two = Runner(cb_funcs=make), Runner(cb_funcs=[make])
    one.fit(1, toy())
    assert math.isnan(two.avg_stats.train_stats.avg_stats[0]) and one.stats and not two.stats


def test_float64_models_are_averaged_in_float64():
    learn = toy()
    learn.model.double()
    loaders = learn.data.train_dl, learn.data.valid_dl
    learn.data = DataBunch(*([(x.double(), y) for x, y in dl] for dl in loaders))
    run = Runner(AvgStatsCallback())
    run.fit(1, learn)
    with torch.no_grad():
        values = [cross_entropy(learn.model(x), y).item() for x, y in learn.data.valid_dl]
    assert run.stats["valid_loss"] == pytest.approx(statistics.fmean(values), rel=1e-15, abs=0)


def test_torchmetrics_can_be_used_as_metrics():
    classification = pytest.importorskip("torchmetrics.classification")
    metric = classification.MulticlassAccuracy(3, average="micro")
    learn, run = task(2), Runner(AvgStatsCallback([metric, accuracy]))
    run.fit(2, learn)
    ds, everything = learn.data.valid_ds, classification.MulticlassAccuracy(3, average="micro")
    with torch.no_grad(): everything.update(learn.model(ds.x), ds.y)
    assert [*run.stats] == ["train_loss", "valid_loss", "multiclass_accuracy", "accuracy"]
    assert run.stats["multiclass_accuracy"] == pytest.approx(everything.compute().item(), abs=1e-6)
    assert run.stats["multiclass_accuracy"] == pytest.approx(run.stats["accuracy"], abs=1e-6)


def test_memory_kept_per_training_batch_is_at_most_64_bytes():
    sizes, n = [], 16 * 256 - 1  # the buffer is nearly full at the end

    class Measures(Callback):
        order = 10

        def after_batch(self):
            if self.in_train and self.n_iter in (1, n):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])

    batches = [(torch.randn(2, 4), torch.randint(3, (2,)))] * n
    learn = toy()
    learn.data = DataBunch(batches, [])
    tracemalloc.start()
    try: Runner([AvgStatsCallback(accuracy), Measures()]).fit(1, learn)
    finally: tracemalloc.stop()
    assert (sizes[1] - sizes[0]) / n <= 64
