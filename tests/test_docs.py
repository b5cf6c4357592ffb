"""Pages show what the files say; links lead somewhere; lines are short."""

import importlib.util
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("render", ROOT / "docs" / "render.py")
render = importlib.util.module_from_spec(spec)
spec.loader.exec_module(render)

LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
PAGES = [ROOT / name for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split()]


def marked(kind, what="", content=""):
    return f"<!-- {kind}{': ' * bool(what)}{what} -->{content}<!-- /{kind} -->"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "metrics.json").write_text('{"vocals": {"sdr": 10.3515}}')
    (tmp_path / "runs.csv").write_text("way,peak_GB\n1 minute,1234.5\n2 minutes,\n3 minutes,3\n")
    (tmp_path / "README.md").write_text(f"{marked('figure', 'metrics.json vocals.sdr .2f', '10.35')} dB\n")
    (tmp_path / "docs" / "a.md").write_text(f"{marked('table', 'runs.csv')}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("metrics.json vocals.sdr .2f", "10.35"),
        ("metrics.json vocals.sdr", "10.3515"),
        ("runs.csv 'way=1 minute' peak_GB ,.0f", "1,234"),
        ("runs.csv 'way=3 minutes' peak_GB", "3"),
    ],
)
def test_a_figure_is_the_files(project, what, shown):
    assert render.rendered(f"about {marked('figure', what, 'old')} dB", project) == f"about {marked('figure', what, shown)} dB"


def test_a_median_is_over_all_rows(project):
    (project / "runs.csv").write_text("sdr\n1\n7\n3\n")
    assert ">3.0<" in render.rendered(marked("figure", "runs.csv median sdr .1f"), project)


@pytest.mark.parametrize(
    "what",
    ["metrics.json vocals.isr .2f", "gone.json a", "runs.csv way=none peak_GB", "runs.csv peak_GB", "runs.csv 'way=1 minute' b"],
)
def test_a_figure_that_is_not_there_is_named(project, what):
    with pytest.raises(render.Unknown, match=re.escape(what)):
        render.rendered(marked("figure", what), project)


def test_a_table_may_have_some_rows_and_columns_only(project):
    (project / "runs.csv").write_text("set,way,peak_GB\na,one,1\nb,two,\na,three,3\n")
    shown = render.rendered(marked("table", "runs.csv set=a way,peak_GB"), project)
    assert "| way | peak GB |" in shown and "| one | 1 |" in shown and "| three | 3 |" in shown and "two" not in shown
    for wrong, says in (("set=c way", "no row fits"), ("set=a gone", "there is no 'gone'")):
        with pytest.raises(render.Unknown, match=says):
            render.rendered(marked("table", f"runs.csv {wrong}"), project)


def test_the_check_names_the_first_difference_until_it_is_written(project, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["render.py", "--check"])
    with pytest.raises(SystemExit, match=re.escape("docs/a.md:1: ")):
        render.main(project)
    monkeypatch.setattr(sys, "argv", ["render.py"])
    render.main(project)
    page = (project / "docs" / "a.md").read_text()
    assert "| way | peak GB |" in page and "| 2 minutes | - |" in page
    monkeypatch.setattr(sys, "argv", ["render.py", "--check"])
    render.main(project)
    (project / "metrics.json").write_text('{"vocals": {"sdr": 9.0}}')
    with pytest.raises(SystemExit, match=r"^README.md:1: .*10\.35.*9\.00.*run python docs/render\.py$"):
        render.main(project)


def test_every_provider_has_its_row_and_its_section():
    data = (ROOT / "docs" / "data.md").read_text()
    for name, facts in render.providers().items():
        assert f"\n## {name}\n" in data and f"[{name}](#{name})" in render.datasets()
        if facts.citation:
            assert f"<!-- dataset: {name} -->" in data
            assert facts.licence in render.dataset(name) and f"({facts.url})" in render.dataset(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_lines_are_short(page):
    text = page.read_text()
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []
    if page.parent.name != "reports":  # written by the report stage
        prose = [re.sub(r"<!-- .*? -->|!?\[[^]]*\]\([^)]*\)", "", line) for line in text.splitlines() if not line.startswith("|")]
        assert [line for line in prose if len(line) > 100] == []


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
