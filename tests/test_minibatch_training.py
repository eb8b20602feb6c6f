"""Behaviour of exp.minibatch_training against PyTorch, plain loops and exact arithmetic."""
import copy
import pickle
import re
from collections import OrderedDict
from decimal import Decimal, localcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split

from exp import minibatch_training as module
from exp.data import get_data, normalize, set_seed
from exp.minibatch_training import Dataset, Optimizer, accuracy, fit, get_dls, log_softmax, nll

LAW = settings(deadline=None, max_examples=30)
SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 2**31)


def randn(seed, *shape, dtype=torch.float64):
    "A random tensor."
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def classes(seed, n, n_classes):
    "Random class numbers."
    return torch.randint(n_classes, (n,), generator=torch.Generator().manual_seed(seed))


def numbered(n, first=0):
    "A dataset in which each y names its sample and x is four times it plus 0 to 3."
    y = torch.arange(first, first + n)
    return Dataset(4. * y[:, None] + torch.arange(4.), y)


def classifier(seed=0, n_in=6, n_hidden=8, n_classes=3, dropout=0.):
    "A small model with weights that depend on the seed alone."
    set_seed(seed)
    return nn.Sequential(nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Dropout(dropout),
                         nn.Linear(n_hidden, n_classes))


def samples(seed, n, n_in=6, n_classes=3):
    return Dataset(randn(seed, n, n_in, dtype=torch.float32), classes(seed, n, n_classes))


def same(model, other):
    "Are all weights and buffers equal, bit for bit?"
    pairs = zip(model.state_dict().items(), other.state_dict().items())
    return all(a == b and torch.equal(u, v) for (a, u), (b, v) in pairs)


def test_exports_are_those_of_the_issue():
    names = {"log_softmax", "nll", "accuracy", "Optimizer", "Dataset", "get_dls", "fit"}
    assert set(module.__all__) == names
    for name in names:
        doc = getattr(module, name).__doc__
        assert doc and "\n" not in doc, name


# log_softmax

def exact_log_softmax(logits):
    "The definition, in 60 decimal digits; e to the power 10,000 is no trouble here."
    with localcontext() as context:
        context.prec = 60
        powers = [Decimal(z).exp() for z in logits]
        return [float((power / sum(powers)).ln()) for power in powers]


@LAW
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8))
def test_log_softmax_is_the_definition_even_for_large_logits(logits):
    result = log_softmax(torch.tensor(logits, dtype=torch.float64))
    expected = torch.tensor(exact_log_softmax(logits), dtype=torch.float64)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-11)


@LAW
@given(st.lists(SIZES, max_size=3), SIZES, st.floats(0, 1e4), SEEDS)
def test_log_softmax_is_pytorchs_in_every_shape(shape, n_classes, size, seed):
    for dtype in (torch.float32, torch.float64):
        x = randn(seed, *shape, n_classes, dtype=dtype) * size
        before = x.clone()
        result = log_softmax(x)
        assert result.dtype == dtype
        torch.testing.assert_close(result, F.log_softmax(x, -1))
        assert torch.equal(x, before), "the logits stay as they are"


@LAW
@given(SIZES, SIZES, st.floats(-1e4, 1e4), SEEDS)
def test_log_softmax_gives_probabilities_that_no_shift_changes(n, n_classes, shift, seed):
    x = randn(seed, n, n_classes)
    result = log_softmax(x)
    torch.testing.assert_close(result.exp().sum(-1), torch.ones(n, dtype=x.dtype))
    torch.testing.assert_close(log_softmax(x + shift), result)
    assert (result <= 0).all() and torch.equal(result.argsort(-1), x.argsort(-1))


@LAW
@given(SIZES, SEEDS)
def test_log_softmax_takes_each_row_by_itself(n, seed):
    x = randn(seed, n, 4) * 10 ** torch.arange(n)[:, None]
    for row, alone in zip(log_softmax(x), x): torch.testing.assert_close(row, log_softmax(alone))


@pytest.mark.parametrize("size", [0, 1, 1e3, 1e6])
def test_log_softmax_has_the_gradient_identity_minus_softmax(size):
    x = randn(3, 5) * size
    jacobian = torch.autograd.functional.jacobian(log_softmax, x)
    expected = torch.eye(5, dtype=x.dtype) - x.softmax(-1)
    torch.testing.assert_close(jacobian, expected)


def test_log_softmax_gives_no_chance_to_a_logit_of_minus_infinity():
    x = torch.tensor([1., -float("inf"), 1.])
    torch.testing.assert_close(log_softmax(x), torch.tensor([0.5, 0., 0.5]).log())


# nll

@LAW
@given(SIZES, SIZES, SEEDS)
def test_nll_is_the_mean_over_a_plain_loop(n, n_classes, seed):
    log_probs, target = randn(seed, n, n_classes), classes(seed, n, n_classes)
    slow = -sum(log_probs[i, target[i]].item() for i in range(n)) / n
    assert nll(log_probs, target).shape == ()
    assert nll(log_probs, target).item() == pytest.approx(slow)


@LAW
@given(SIZES, SIZES, st.floats(0, 1e3), SEEDS)
def test_log_softmax_and_nll_are_cross_entropy_in_value_and_gradient(n, n_classes, size, seed):
    logits, target = (randn(seed, n, n_classes) * size), classes(seed, n, n_classes)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, expected = nll(log_softmax(ours), target), F.cross_entropy(theirs, target)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_nll_of_equal_chances_is_the_logarithm_of_their_number():
    for n_classes in (2, 10, 1000):
        loss = nll(log_softmax(torch.zeros(7, n_classes, dtype=torch.float64)), torch.arange(7) % 2)
        assert loss.item() == pytest.approx(torch.tensor(n_classes).double().log().item())


def test_nll_refuses_a_class_that_has_no_column():
    with pytest.raises(IndexError): nll(torch.zeros(2, 3), torch.tensor([0, 3]))


# accuracy

@LAW
@given(SIZES, SIZES, SEEDS, st.sampled_from([torch.float16, torch.float32, torch.float64]))
def test_accuracy_counts_in_a_plain_loop(n, n_classes, seed, dtype):
    pred, target = randn(seed, n, n_classes, dtype=dtype), classes(seed + 1, n, n_classes)
    rows = pred.tolist()
    right = sum(row.index(max(row)) == t for row, t in zip(rows, target.tolist()))
    assert accuracy(pred, target).shape == ()
    assert accuracy(pred, target).item() == pytest.approx(right / n)


@LAW
@given(SIZES, SIZES, SEEDS)
def test_accuracy_does_not_depend_on_the_order_of_rows_or_the_scale_of_logits(n, n_classes, seed):
    pred, target = randn(seed, n, n_classes), classes(seed + 1, n, n_classes)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    before = accuracy(pred, target)
    torch.testing.assert_close(accuracy(pred[order], target[order]), before)
    assert accuracy(3 * pred - 5, target) == before == accuracy(log_softmax(pred), target)


def test_accuracy_is_1_for_the_truth_and_0_for_its_opposite():
    target = torch.tensor([2, 0, 1, 1])
    pred = F.one_hot(target, 3).float()
    assert accuracy(pred, target) == 1 and accuracy(pred, (target + 1) % 3) == 0


# Optimizer

def steps(net, opt, seeds):
    "One step for each seed, each on other samples."
    for seed in seeds:
        F.cross_entropy(net(randn(seed, 7, 6)), classes(seed, 7, 3)).backward()
        opt.step()
        opt.zero_grad()


@LAW
@given(st.floats(1e-4, 2), SEEDS, st.integers(1, 6))
def test_optimizer_is_pytorchs_sgd(lr, seed, count):
    ours = classifier(seed).double()
    theirs = copy.deepcopy(ours)
    seeds = range(seed, seed + count)
    steps(ours, Optimizer(ours.parameters(), lr), seeds)
    steps(theirs, torch.optim.SGD(theirs.parameters(), lr), seeds)
    for a, b in zip(ours.parameters(), theirs.parameters()): torch.testing.assert_close(a, b)


@pytest.mark.parametrize("iterable", [list, tuple, iter, lambda params: (p for p in params),
                                      lambda params: OrderedDict(enumerate(params)).values()])
def test_optimizer_takes_any_iterable_and_keeps_stepping(iterable):
    params = [nn.Parameter(torch.tensor(2.)), nn.Parameter(torch.tensor([3., -1.]))]
    opt = Optimizer(iterable(params), lr=0.1)
    for _ in range(3):
        for p in params: p.grad = torch.ones_like(p)
        opt.step()
    torch.testing.assert_close(params[0].data, torch.tensor(1.7))
    torch.testing.assert_close(params[1].data, torch.tensor([2.7, -1.3]))


@pytest.mark.parametrize("nothing", [[], (), iter([]), nn.ReLU().parameters()])
def test_optimizer_refuses_to_train_nothing(nothing):
    with pytest.raises(ValueError, match="no parameters to train.*generator used up"):
        Optimizer(nothing)


def test_optimizer_refuses_a_generator_that_was_used_up():
    params = nn.Linear(2, 2).parameters()
    list(params)
    with pytest.raises(ValueError, match="no parameters"): Optimizer(params, 0.1)


def test_optimizer_has_a_rate_of_one_half_that_can_be_changed_at_any_time():
    p = nn.Parameter(torch.tensor(1.))
    opt = Optimizer([p])
    p.grad = torch.tensor(1.)
    opt.step()
    assert p.item() == 0.5
    opt.lr = 0.25
    opt.step()
    assert p.item() == 0.25


def test_a_step_leaves_parameters_without_gradient_and_gradients_as_they_are():
    first, used, last = (nn.Parameter(torch.full((2,), 4.)) for _ in range(3))
    used.grad = torch.tensor([1., -2.])
    opt = Optimizer([first, used, last], 1.)
    opt.step()
    assert first.tolist() == last.tolist() == [4., 4.] and used.tolist() == [3., 6.]
    assert first.grad is None and used.grad.tolist() == [1., -2.]


def test_a_step_is_in_place_and_no_part_of_a_graph():
    p = nn.Parameter(torch.ones(3))
    address = p.data_ptr()
    opt = Optimizer([p], 0.1)
    for _ in range(2):
        (p * p).sum().backward()
        opt.step()
        opt.zero_grad()
        assert p.is_leaf and p.requires_grad and p.grad_fn is None and p.data_ptr() == address
    assert torch.is_grad_enabled()


def test_gradients_add_up_until_zero_grad_forgets_all_of_them():
    params = [nn.Parameter(torch.tensor(value)) for value in (1., 2., 3.)]
    opt = Optimizer(params, 0.1)
    for _ in range(3): (2 * sum(params)).backward()
    assert [p.grad.item() for p in params] == [6., 6., 6.]
    opt.zero_grad()
    opt.zero_grad()  # again, with none there
    assert all(p.grad is None or not p.grad.any() for p in params)
    assert [p.item() for p in params] == [1., 2., 3.]
    sum(params).backward()
    assert [p.grad.item() for p in params] == [1., 1., 1.]


# Dataset

@LAW
@given(st.integers(0, 6), st.integers(0, 6))
def test_dataset_refuses_unequal_lengths_and_names_them(n, m):
    if n == m: assert len(Dataset(torch.ones(n, 2), torch.ones(m))) == n
    else:
        with pytest.raises(ValueError, match=f"x has {n} samples and y {m}; .* as many"):
            Dataset(torch.ones(n, 2), torch.ones(m))


@LAW
@given(st.lists(st.integers(0, 8), min_size=1, max_size=12))
def test_a_batch_is_its_samples_stacked_in_the_order_asked_for(idxs):
    ds = numbered(9)
    xb, yb = ds.__getitems__(idxs)
    assert torch.equal(xb, torch.stack([ds[i][0] for i in idxs]))
    assert yb.tolist() == idxs and yb.dtype == torch.int64 and xb.dtype == torch.float32


def test_dataset_indexes_as_its_tensors_do():
    ds = numbered(5)
    assert ds[3][0].tolist() == [12., 13., 14., 15.] and ds[3][1] == 3 and ds[-1][1] == 4
    assert ds[1:3][1].tolist() == [1, 2] and ds[1:3][0].shape == (2, 4)
    assert [y.item() for _, y in ds] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError): ds[5]


def test_a_batch_is_a_copy_and_the_tensors_are_not():
    x, y = torch.zeros(3, 2), torch.zeros(3)
    ds = Dataset(x, y)
    xb, _ = ds.__getitems__([0, 1])
    xb += 1
    assert not x.any() and ds.x is x and ds.y is y


def test_a_batch_stays_on_the_device_of_its_tensors():
    ds = Dataset(torch.empty(5, 2, device="meta"), torch.empty(5, device="meta"))
    xb, yb = ds.__getitems__([4, 0])
    assert xb.device.type == yb.device.type == "meta" and xb.shape == (2, 2) and yb.shape == (2,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_x_and_y_may_be_on_two_devices():
    ds = Dataset(torch.arange(6.).reshape(3, 2).cuda(), torch.tensor([7, 8, 9]))
    xb, yb = next(iter(get_dls(ds, ds, 2)[1]))
    assert xb.is_cuda and not yb.is_cuda and yb.tolist() == [7, 8, 9]


# get_dls

@LAW
@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 12), SEEDS)
def test_every_sample_comes_exactly_once_in_full_batches(n, n_valid, bs, seed):
    set_seed(seed)
    train_dl, valid_dl = get_dls(numbered(n), numbered(n_valid, first=100), bs)
    for dl, size, count, first in [(train_dl, bs, n, 0), (valid_dl, 2 * bs, n_valid, 100)]:
        for _ in range(2):
            batches = list(dl)
            sizes = [len(yb) for _, yb in batches]
            assert len(dl) == len(batches) and all(len(xb) == len(yb) for xb, yb in batches)
            assert sizes == [size] * (count // size) + [count % size] * (count % size > 0)
            numbers = [number for _, yb in batches for number in yb.tolist()]
            assert sorted(numbers) == [*range(first, first + count)]
            assert all(torch.equal(xb[:, 2], 4. * yb + 2) for xb, yb in batches), "still pairs"
            if dl is valid_dl: assert numbers == sorted(numbers), "validation keeps the order"


def order(dl): return [number for _, yb in dl for number in yb.tolist()]


def test_training_is_shuffled_anew_in_every_epoch_and_repeatable_by_seed():
    train_dl, _ = get_dls(numbered(50), numbered(9), 8)
    set_seed(5)
    orders = [order(train_dl) for _ in range(3)]
    assert len({tuple(o) for o in [*orders, range(50)]}) == 4
    set_seed(5)
    assert [order(train_dl) for _ in range(3)] == orders


def test_shuffling_is_pytorchs_own():
    ds = numbered(30)
    set_seed(1)
    ours = order(get_dls(ds, ds, 4)[0])
    set_seed(1)
    assert ours == order(DataLoader(TensorDataset(ds.x, ds.y), 4, shuffle=True))


def test_a_batch_is_fetched_whole():
    class Counting(Dataset):
        def __getitem__(self, i): raise AssertionError("a single sample was asked for")
        def __getitems__(self, idxs):
            asked.append(len(idxs))
            return super().__getitems__(idxs)

    asked = []
    ds = Counting(torch.ones(10, 3), torch.arange(10))
    for dl in get_dls(ds, ds, 4): list(dl)
    assert asked == [4, 4, 2, 8, 2]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_x_and_y_of_one_shape_stay_two_tensors(shape, n):
    x, y = randn(0, n, *shape), classes(0, n, 9).reshape(n, *[1] * len(shape)).expand(n, *shape)
    for dl in get_dls(Dataset(x, y), Dataset(x, y), n):
        [batch] = dl
        assert type(batch) is tuple and len(batch) == 2
        assert batch[0].dtype == torch.float64 and batch[1].dtype == torch.int64
        assert batch[0].shape == batch[1].shape == (n, *shape)
    assert torch.equal(batch[0], x) and torch.equal(batch[1], y)


def other_datasets(ds):
    "The ten pairs of `ds` behind other kinds of datasets."
    yield "TensorDataset", TensorDataset(ds.x, ds.y)
    yield "list", [ds[i] for i in range(10)]
    yield "Subset", Subset(ds, range(10))
    yield "Subset of a Subset", Subset(Subset(ds, range(10)), range(10))
    yield "ConcatDataset", ConcatDataset([Subset(ds, range(6)), Subset(ds, range(6, 10))])


@pytest.mark.parametrize("kind,other", [*other_datasets(numbered(10))])
def test_other_datasets_give_the_same_batches(kind, other):
    ds = numbered(10)
    for ours, theirs in zip(get_dls(ds, ds, 4)[1], get_dls(other, other, 4)[1]):
        assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])
    assert sorted(order(get_dls(other, other, 4)[0])) == [*range(10)]


def test_a_random_split_covers_the_dataset():
    dls = get_dls(*random_split(numbered(10), [7, 3]), 2)
    assert [[len(yb) for _, yb in dl] for dl in dls] == [[2, 2, 2, 1], [3]]
    assert sorted(order(dls[0]) + order(dls[1])) == [*range(10)]


def test_arguments_reach_both_loaders():
    dls = get_dls(numbered(10), numbered(10), 3, drop_last=True)
    assert [[len(yb) for _, yb in dl] for dl in dls] == [[3, 3, 3], [6]]
    assert [dl.drop_last for dl in dls] == [True, True]
    generator = torch.Generator().manual_seed(3)
    dls = get_dls(numbered(10), numbered(10), 3, generator=generator)
    first = order(dls[0])
    generator.manual_seed(3)
    set_seed(11)
    assert order(dls[0]) == first and all(dl.generator is generator for dl in dls)


def test_a_collate_function_of_ones_own_comes_first():
    ds = numbered(5)
    for dl in get_dls(ds, ds, 5, collate_fn=lambda batch: batch[1].sum().item()):
        assert list(dl) == [10]


def test_the_loaders_can_be_pickled():
    ds = numbered(6)
    for dl in get_dls(ds, ds, 3):
        copied = pickle.loads(pickle.dumps(dl))
        assert copied.collate_fn is dl.collate_fn and sorted(order(copied)) == [*range(6)]


def test_worker_processes_bring_the_same_batches():
    ds = numbered(11)
    alone, helped = get_dls(ds, ds, 2), get_dls(ds, ds, 2, num_workers=2)
    for one, other in zip(alone, helped):
        set_seed(2)
        expected = list(one)
        set_seed(2)
        batches = list(other)
        assert len(batches) == len(expected)
        for (xb, yb), (x, y) in zip(batches, expected):
            assert torch.equal(xb, x) and torch.equal(yb, y)


def test_spawned_workers_receive_dataset_and_collate_by_pickling():
    ds = numbered(7)
    dl, _ = get_dls(ds, ds, 3, num_workers=2, multiprocessing_context="spawn")
    batches = list(dl)
    assert [type(batch) for batch in batches] == [tuple] * 3
    assert sorted(order(batches)) == [*range(7)]


# fit

def by_hand(epochs, model, loss_func, opt, train_dl, valid_dl):
    "The loop written out, with the same iterators in the same order; averages by torch in float64."
    for _ in range(epochs):
        model.train()
        for xb, yb in train_dl:
            opt.zero_grad()
            loss_func(model(xb), yb).backward()
            opt.step()
        model.eval()
        with torch.no_grad(): pairs = [(model(xb), yb) for xb, yb in valid_dl]
        losses = torch.tensor([loss_func(*pair).item() for pair in pairs], dtype=torch.float64)
        right = sum((pred.argmax(1) == yb).sum().item() for pred, yb in pairs)
        sizes = torch.tensor([len(yb) for _, yb in pairs], dtype=torch.float64)
    return (losses @ sizes / sizes.sum()).item(), right / sizes.sum().item()


def assert_close(result, expected, rel=1e-10):
    "Loss to the last digits; the accuracy of a batch is a float32, so their mean has seven."
    assert result[0] == pytest.approx(expected[0], rel=rel)
    assert result[1] == pytest.approx(expected[1], rel=1e-6)


def sgd(params): return torch.optim.SGD(params, 0.1)
def momentum(params): return torch.optim.SGD(params, 0.1, momentum=0.9)
def adam(params): return torch.optim.Adam(params, 0.01)
def ours(params): return Optimizer(params, 0.1)


@pytest.mark.parametrize("make_opt", [ours, sgd, momentum, adam])
@pytest.mark.parametrize("seed", [0, 1])
def test_fit_gives_the_weights_of_the_written_loop_bit_for_bit(make_opt, seed):
    results, models = [], []
    for loop in (fit, by_hand):
        model = classifier(seed, dropout=0.5)
        dls = get_dls(samples(1, 53), samples(2, 21), 8)
        set_seed(seed)
        results.append(loop(3, model, F.cross_entropy, make_opt(model.parameters()), *dls))
        models.append(model)
    assert same(*models) and not same(models[0], classifier(seed))
    assert_close(*results)


@pytest.mark.parametrize("loss_func", [F.cross_entropy, lambda x, y: nll(log_softmax(x), y)])
def test_our_loss_and_optimizer_train_like_pytorchs(loss_func):
    model, other = classifier(), classifier()
    train, valid = [samples(1, 8)[:], samples(2, 5)[:]], [samples(3, 7)[:]]
    result = fit(4, model, loss_func, ours(model.parameters()), train, valid)
    expected = by_hand(4, other, F.cross_entropy, sgd(other.parameters()), train, valid)
    for a, b in zip(model.parameters(), other.parameters()): torch.testing.assert_close(a, b)
    assert_close(result, expected, rel=1e-5)


def whole(model, ds):
    "Loss and accuracy over all of `ds` in one piece."
    with torch.no_grad(): pred = model.eval()(ds.x)
    right = sum(row.argmax() == y for row, y in zip(pred, ds.y)).item()
    return F.cross_entropy(pred, ds.y).item(), right / len(ds)


@LAW
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), SEEDS)
def test_averages_are_exact_however_the_samples_are_cut(sizes, seed):
    model, ds = classifier(seed).double(), samples(seed, sum(sizes))
    ds = Dataset(ds.x.double() * 5, ds.y)
    cut = [*zip(ds.x.split(sizes), ds.y.split(sizes))]
    result = fit(1, model, F.cross_entropy, Optimizer(model.parameters(), 0.2), cut[:1], cut)
    assert_close(result, whole(model, ds))


@pytest.mark.parametrize("bs", [1, 4, 7, 100])
def test_the_batch_size_of_validation_changes_nothing(bs):
    ds, model = samples(4, 31), classifier(dropout=0.9)
    _, valid_dl = get_dls(ds, ds, bs)
    result = fit(1, model, F.cross_entropy, sgd(model.parameters()), [ds[:5]], valid_dl)
    assert_close(result, whole(model, ds), rel=1e-5)


def test_the_last_epoch_is_returned_as_plain_numbers():
    model, ds = classifier(), samples(5, 20)
    result = fit(3, model, F.cross_entropy, sgd(model.parameters()), [ds[:]], [ds[:]])
    assert type(result) is tuple and [type(value) for value in result] == [float, float]
    assert_close(result, whole(model, ds), rel=1e-5)


def test_one_line_is_printed_for_each_epoch(capsys):
    model, ds = classifier(), samples(5, 20)
    result = fit(3, model, F.cross_entropy, sgd(model.parameters()), [ds[:]], [ds[:]])
    lines = capsys.readouterr().out.splitlines()
    found = [re.fullmatch(r"epoch (\d+)  valid loss (\d+\.\d{4})  accuracy (\d\.\d{4})", line)
             for line in lines]
    assert [match[1] for match in found] == ["0", "1", "2"]
    assert (found[2][2], found[2][3]) == tuple(f"{value:.4f}" for value in result)
    assert len({match[2] for match in found}) == 3, "each line is about its own epoch"


def test_mode_and_gradients_follow_the_phase():
    model, ds, seen = classifier(), samples(5, 20), []

    def noting(pred, yb):
        seen.append((model.training, pred.requires_grad, torch.is_grad_enabled()))
        return F.cross_entropy(pred, yb)

    model.eval()
    fit(2, model, noting, sgd(model.parameters()), [ds[:]] * 3, [ds[:]] * 2)
    assert seen == ([(True,) * 3] * 3 + [(False,) * 3] * 2) * 2
    assert not model.training and torch.is_grad_enabled()


def test_each_batch_takes_one_step_with_its_own_gradient_alone():
    "Loss w * x has the gradient x, so the steps can be counted by eye."
    class Weight(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            weights.append(self.w.item())
            return x * self.w

    model, weights, yb = Weight(), [], torch.tensor([0])
    train = [(torch.tensor([[x]]), yb) for x in (1., 10., 100.)]
    opt = Optimizer(model.parameters(), 1.)
    fit(2, model, lambda pred, yb: pred.mean(), opt, train, [(torch.ones(1, 1), yb)])
    assert weights == [0, -1, -11, -111, -111, -112, -122, -222]
    assert model.w.grad is None


def test_validation_leaves_running_statistics_alone():
    model, ds = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)), samples(6, 12)
    fit(2, model, F.cross_entropy, sgd(model.parameters()), [ds[:]], [ds[:]] * 5)
    assert model[0].num_batches_tracked == 2


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs_are_refused_before_anything_happens(epochs, capsys):
    model, ds = classifier(), samples(5, 20)
    with pytest.raises(ValueError, match=f"epochs is {epochs}; it must be at least 1"):
        fit(epochs, model, F.cross_entropy, sgd(model.parameters()), [ds[:]], [ds[:]])
    assert same(model, classifier()) and capsys.readouterr().out == ""


def test_an_exception_in_validation_leaves_gradients_switched_on():
    model, ds = classifier(), samples(5, 20)

    def failing(pred, yb):
        if not model.training: raise RuntimeError("in validation")
        return F.cross_entropy(pred, yb)

    with pytest.raises(RuntimeError, match="in validation"):
        fit(1, model, failing, sgd(model.parameters()), [ds[:]], [ds[:]])
    assert torch.is_grad_enabled()


def test_the_digits_are_learnt_with_nothing_but_this_module():
    x_train, y_train, x_valid, y_valid = get_data("digits")
    mean, std = x_train.mean(), x_train.std()
    train_ds = Dataset(normalize(x_train, mean, std), y_train)
    valid_ds = Dataset(normalize(x_valid, mean, std), y_valid)
    model = classifier(0, x_train.shape[1], 50, 10)
    _, valid_accuracy = fit(5, model, lambda pred, yb: nll(log_softmax(pred), yb),
                            Optimizer(model.parameters(), 0.2), *get_dls(train_ds, valid_ds, 64))
    assert valid_accuracy > 0.9
