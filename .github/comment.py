"""Post a Markdown file as a comment on a pull request, or put it in place of the one that the workflow posted before.

    python .github/comment.py NUMBER FILE

The file's first line is the mark by which the comment is found again. GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL come from
the workflow.
"""

import os
import sys
from pathlib import Path

import requests

LONGEST = 65_000  # letters; GitHub takes 65,536
PATIENCE = 30  # seconds
BOT = "github-actions[bot]"  # whom GITHUB_TOKEN belongs to


def main(number: str, path: str) -> None:
    """Find the comment and change it, or write a new one."""
    text = Path(path).read_text()
    mark = text.splitlines()[0]
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n\nThe rest is too long for a comment: `unsung compare` prints it."
    api, repository = os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"]
    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"})
    url = f"{api}/repos/{repository}/issues/{number}/comments?per_page=100"
    found = None
    page: str | None = url
    while page and not found:
        answer = session.get(page, timeout=PATIENCE)
        answer.raise_for_status()
        mine = [one["url"] for one in answer.json() if one["body"].startswith(mark) and one["user"]["login"] == BOT]
        found = mine[0] if mine else None
        page = answer.links.get("next", {}).get("url")
    answer = (
        session.patch(found, json={"body": text}, timeout=PATIENCE)
        if found
        else session.post(url, json={"body": text}, timeout=PATIENCE)
    )
    answer.raise_for_status()
    print("updated" if found else "posted", answer.json().get("html_url", ""))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except requests.RequestException as error:
        sys.exit(f"the comment could not be posted: {error}")
