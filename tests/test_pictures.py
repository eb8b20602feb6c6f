"The pictures: what is drawn is what the tables say."
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exp.pictures import LOOP, PALETTE, RUNNER_EVENTS, draw_loop, draw_map, show, use_style

plt = pytest.importorskip("matplotlib.pyplot")
names = st.text("abcdefgh_", min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def no_window():
    plt.switch_backend("agg")
    with plt.rc_context(): yield
    plt.close("all")


def luminance(color):
    "Relative luminance, as the Web Content Accessibility Guidelines 2.1 define it."
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts))


def overlap(figure, artists):
    "The pairs of artists whose boxes overlap once the figure is drawn."
    figure.canvas.draw()
    boxes = [artist.get_window_extent() for artist in artists]
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


def test_import_does_not_load_matplotlib():
    code = "import exp.pictures, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_colours_that_carry_text_stand_out_from_white():
    for name in ("blue", "red", "grey"):
        assert 1.05 / (luminance(PALETTE[name]) + 0.05) >= 3, name


def test_style_gives_lines_the_palette():
    use_style()
    _, ax = plt.subplots()
    lines = [ax.plot([0, i])[0].get_color() for i in range(len(PALETTE) + 1)]
    assert lines == [*PALETTE.values(), PALETTE["blue"]]


def test_show_displays_once_with_the_sentence_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **kw: shown.append((args, kw)))
    fig = plt.figure()
    show(fig, "nothing at all")
    assert shown == [((fig,), {"metadata": {"image/png": {"alt": "nothing at all"}}})]
    assert not plt.fignum_exists(fig.number)
    with pytest.raises(ValueError, match="one sentence"): show(plt.figure(), " \n")
    assert len(shown) == 1


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_map_has_every_box_and_arrow(data):
    wanted = data.draw(st.lists(names, min_size=2, max_size=9, unique=True))
    cuts = data.draw(st.integers(1, 3))
    rows = [dict.fromkeys(wanted[i::cuts], "what it does") for i in range(cuts) if wanted[i::cuts]]
    pairs = st.lists(st.sampled_from(wanted), min_size=2, max_size=2, unique=True)
    calls = data.draw(st.lists(pairs, max_size=6))
    known = data.draw(st.lists(st.sampled_from(wanted), unique=True))
    ax = draw_map(rows, calls, known).axes[0]
    titles = {t.get_text(): t for t in ax.texts if t.get_text() in wanted}
    assert set(titles) == set(wanted)
    for name, title in titles.items():
        assert title.get_color() == PALETTE["grey" if name in known else "blue"]
    assert sum(hasattr(t, "arrow_patch") for t in ax.texts) == len(calls)
    plt.close("all")


def test_boxes_and_words_of_a_map_stay_apart():
    text = "as many words as there is room for in three lines"
    fig = draw_map([{"one": text, "two": text, "three": text}, {"four": text}], [("one", "four")])
    assert not overlap(fig, fig.axes[0].patches)
    assert not overlap(fig, [t for t in fig.axes[0].texts if t.get_text()])


def test_map_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="'b' is not on the map; it has a"):
        draw_map([{"a": ""}], [("a", "b")])
    with pytest.raises(ValueError, match="'c' is not on the map"): draw_map([{"a": ""}], [], ["c"])
    with pytest.raises(ValueError, match="text of 'a' needs .* lines"):
        draw_map([{"a": "word " * 60}], [])


def test_loop_events_are_events_of_its_steps():
    assert set(RUNNER_EVENTS) <= set(LOOP)
    assert len(set(RUNNER_EVENTS.values())) == len(RUNNER_EVENTS)


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(list(LOOP))), st.sets(st.sampled_from(list(RUNNER_EVENTS))))
def test_loop_is_lit_where_asked_and_always_in_one_layout(lit, named):
    events = {step: RUNNER_EVENTS[step] for step in named}
    ax = draw_loop(lit, events).axes[0]
    places = {t.get_text(): t.get_position() for t in ax.texts}
    plain = {t.get_text(): t.get_position() for t in draw_loop().axes[0].texts}
    assert {line: places[line] for _, line in LOOP.values()} == plain
    for step, (_, line) in LOOP.items():
        text = next(t for t in ax.texts if t.get_text() == line)
        assert text.get_color() == PALETTE["blue" if step in lit else "grey"]
    for step, event in events.items(): assert places[event][1] == places[LOOP[step][1]][1]
    assert len(ax.texts) == len(LOOP) + len(events)
    plt.close("all")


def test_words_of_the_loop_stay_apart():
    fig = draw_loop(list(LOOP), RUNNER_EVENTS)
    fig.canvas.draw()
    # The drawn text only: an annotation's own extent takes in its line.
    texts = [t for t in fig.axes[0].texts if not getattr(t, "arrow_patch", None)]
    assert not overlap(fig, texts)
    events = [t.get_position()[0] for t in fig.axes[0].texts if getattr(t, "arrow_patch", None)]
    ends = [t.get_window_extent().transformed(fig.axes[0].transData.inverted()).x1 for t in texts]
    assert max(ends) < 4.9 < min(events)


def test_loop_refuses_unknown_steps():
    with pytest.raises(ValueError, match="'los' is not a step of the loop; it has fit, epoch"):
        draw_loop(["los"])
    with pytest.raises(ValueError, match="'los'"): draw_loop([], {"los": "after_loss"})
