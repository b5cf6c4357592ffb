from tests.faults.report import PAGE
from tests.faults.tables import rows, tables


def test_the_page_shows_every_case():
    page = PAGE.read_text().replace("\\", "")  # escapes, some of which mdformat takes away
    rows = [(fault.what.replace("\\", ""), fault.code) for faults in tables().values() for fault in faults]
    missing = [what for what, code in rows if f"\n| {what} | {code} |" not in page]
    assert not missing, "run python -m tests.faults.report"


def test_every_case_has_a_name_of_its_own():
    names = [row.id for row in rows(*tables())]
    assert len(set(names)) == len(names)
