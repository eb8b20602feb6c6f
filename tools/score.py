"""How strong are the lessons' checks? python tools/score.py [lesson]

Tries the wrong versions that tools/mutate.py makes of each exported definition, and those listed
in tests/mutants/, against the lesson's own checks; prints the score of each lesson and every wrong
version that survived. A time-out counts as caught. Survivors that no promise tells apart from the
right version are listed, with the reason, as EQUIVALENT in the lesson's file in tests/mutants/.
Writes tests/mutants/scores.json and README's table of scores, unless a listed wrong version
survived or a listed equivalent did not: then the lists are to be mended first.
"""
import hashlib
import json
import multiprocessing
import os
import re
import sys
import time
import types

import mutate
import torch
from mutants import changed, failing_check, listed, needed_cells, try_apart
from notebooks import ROOT, directive, header, lessons, read

WANTED = 0.95
SCORES = ROOT / "tests" / "mutants" / "scores.json"
README = ROOT / "README.md"
TABLE = re.compile(r"(<!-- scores: written by make mutants -->\n).*?(<!-- end of scores -->)", re.S)


def fingerprint(path):
    "A text that changes with whatever a lesson's score depends on."
    content = [(ROOT / "tools" / "mutate.py").read_text(encoding="utf-8")]
    own = ROOT / "tests" / "mutants" / f"{path.stem}.py"
    if own.exists(): content.append(own.read_text(encoding="utf-8"))
    for cell in needed_cells(read(path)):
        content += [str(directive(cell)[0] in ("export", "check")),
                    re.sub(r"\A#\|.*\n", "", cell.source)]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def wrong_versions(cell, by_hand):
    "The wrong versions of one cell, those made and those listed, each once."
    here, sources = changed(cell, by_hand)
    made = mutate.mutants(cell.source) if directive(cell)[0] == "export" else []
    found = {mutant.source: mutant for mutant in made}
    for (name, right, wrong), source in zip(here, sources):
        line = cell.source[:cell.source.index(right)].count("\n") + 1
        texts = (" ".join(text.split()) for text in (right, wrong))
        found.setdefault(source, mutate.Mutant(name, line, *texts, source))
    return list(found.values())


def patience(stem, cells):
    "How many seconds a wrong version gets: five times what all of the right cells take."
    start, module = time.perf_counter(), sys.modules.setdefault(stem, types.ModuleType(stem))
    (failed,) = try_apart(module, cells, [cells[0].source], seconds=600)
    if failed: sys.exit(f"{stem}: the lesson's own code fails {failed}")
    return max(5, round(5 * (time.perf_counter() - start)))


def survivors(path):
    "How many wrong versions of a lesson were tried, and those that no check noticed."
    stem, cells = path.stem, needed_cells(read(path))
    seconds, by_hand = patience(stem, cells), listed(stem)
    module = sys.modules[stem] = types.ModuleType(stem)
    tried, missed = 0, []
    for i, cell in enumerate(cells):
        wrong = wrong_versions(cell, by_hand)
        noticed = try_apart(module, cells[i:], [mutant.source for mutant in wrong], seconds)
        tried += len(wrong)
        missed += [mutant for mutant, check in zip(wrong, noticed) if not check]
        failing_check(module, [cell])
    return tried, missed


def judged(path):
    "A lesson's row of scores, the survivors that are no equivalents, and complaints."
    tried, missed = survivors(path)
    reasons = {tuple(texts): reason for *texts, reason in listed(path.stem, "EQUIVALENT")}
    equal = [mutant for mutant in missed if mutant[:1] + mutant[2:4] in reasons]
    left = [mutant for mutant in missed if mutant not in equal]
    unused = set(reasons) - {mutant[:1] + mutant[2:4] for mutant in equal}
    row = {"tried": tried, "caught": tried - len(missed), "equivalent": len(equal),
           "survived": len(left), "fingerprint": fingerprint(path)}
    listed_sources = {source for cell in needed_cells(read(path))
                      for source in changed(cell, listed(path.stem))[1]}
    complaints = [f"listed as equivalent, and caught or not there: {u}" for u in unused]
    complaints += [f"listed as wrong, and not caught: {mutant.name}: {mutant.wrong}"
                   for mutant in left if mutant.source in listed_sources]
    return row, left, complaints


def score(row):
    "The share of the wrong versions, without the equivalents, that the checks noticed."
    return row["caught"] / (row["tried"] - row["equivalent"])


def percent(row):
    "The score as text, never rounded up to 100 %."
    return f"{int(1000 * score(row)) / 10:.1f} %"


def table(scores):
    "README's table of scores."
    rows = ["| lesson | wrong versions | caught | equivalent | survived | score |",
            "|---|---|---|---|---|---|"]
    for path in sorted(lessons(), key=lambda path: not path.stem[0].isdigit()):  # appendices last
        if path.stem not in scores: continue
        row = scores[path.stem]
        counts = " | ".join(f"{row[k]:,}" for k in ("tried", "caught", "equivalent", "survived"))
        rows.append(f"| {header(read(path))['title']} | {counts} | {percent(row)} |")
    return "\n".join(rows) + "\n"


def with_scores(text, scores):
    "README's text with these scores."
    return TABLE.sub(lambda m: m[1] + table(scores) + m[2], text)


def save(stem, row):
    "Write a lesson's row to scores.json and to README."
    scores = json.loads(SCORES.read_text(encoding="utf-8")) if SCORES.exists() else {}
    there = {path.stem for path in lessons()}
    scores = {k: v for k, v in sorted({**scores, stem: row}.items()) if k in there}
    SCORES.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    README.write_text(with_scores(README.read_text(encoding="utf-8"), scores), encoding="utf-8")


def main():
    if "fork" not in multiprocessing.get_all_start_methods(): sys.exit("This needs fork.")
    os.environ["MPLBACKEND"] = "agg"
    torch.set_num_threads(1)
    wanting = []
    for path in [path for only in sys.argv[1:] or [""] for path in lessons(only)]:
        start = time.perf_counter()
        row, left, complaints = judged(path)
        if not complaints: save(path.stem, row)
        print(f"{path.stem:<24} tried {row['tried']:4}  caught {row['caught']:4}  equivalent "
              f"{row['equivalent']:3}  survived {row['survived']:3}  {percent(row):>7}  "
              f"{time.perf_counter() - start:4.0f} s")
        for mutant in left:
            print(f"    {mutant.name}, line {mutant.line}\n        {mutant.right}\n"
                  f"     -> {mutant.wrong}")
        for complaint in complaints: print(f"    {complaint}")
        sys.stdout.flush()
        if score(row) < WANTED or complaints: wanting.append(path.stem)
    if wanting: sys.exit(f"below {WANTED:.0%}, or with complaints: {', '.join(wanting)}")


if __name__ == "__main__":
    main()
