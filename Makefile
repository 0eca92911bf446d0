# The two commands: `make book` and `make test`. Everything they need they make themselves.

PYTHON  ?= python3
VENV    ?= .venv
BOOK    ?= .
# On two cores: notebooks compute, while many tests wait for a browser or for other processes.
NOTEBOOKS ?= 2
WORKERS   ?= 3

BIN   := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help book test bench execute colab colab-check compat gpu-records links screenshots pdf browser clean

help:
	@echo "make book         set up, execute every notebook, build _build/html"
	@echo "make test         set up, build, then run every test, the notebooks and the pages included"
	@echo "make bench        time it beside its peers: tables, ratios and goals (an hour or less)"
	@echo "make execute      run the chapters in place and keep their outputs in the notebooks"
	@echo "make colab        the chapters for Google Colab, into _build/colab"
	@echo "make colab-check  run every one of them where only Colab's packages are"
	@echo "make compat       the same with PyTorch 2.6 and with the newest (downloads both)"
	@echo "make links        ask every address of another host in the built pages for an answer"
	@echo "make gpu-records  every experiment at full scale on a CUDA device; MINUTES=9 for a piece of it"
	@echo "make screenshots  every page, light and dark, wide and narrow, into _build/screenshots"
	@echo "make pdf          the whole book as one PDF, _build/book.pdf"
	@echo "make clean        remove _build (the environment in $(VENV) stays)"

# The stamp is removed first and written last. A set-up that was cut off has none, and starts over.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { echo \
	  "The book needs Python 3.11 to 3.14; $(PYTHON) is another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	$(BIN)/python -m pip install --requirement requirements.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	@touch $@

# Notebooks are executed again only when they or the package changed, and pages are written again
# only where that is safe: scripts/build_book.py says when.
book: $(READY)
	$(BIN)/python scripts/build_book.py $(BOOK)

# A thread each: two processes of two threads on two cores only wait for each other. All parts run,
# whichever fails.
test: book browser
	@status=0; \
	$(BIN)/python -m ruff check . || status=1; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(NOTEBOOKS) --dist loadfile --durations 10 \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=300 chapters || status=1; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --durations 10 \
	  tests || status=1; \
	exit $$status

# The peers are in an environment of their own, which sees the book's packages and changes none.
BENCH := .venv-bench
$(BENCH)/.ready: $(READY) benchmarks/requirements.txt
	@rm -f $@
	$(BIN)/python -m venv --clear $(BENCH)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(BENCH)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth"
	$(BENCH)/bin/python -m pip install --no-deps --requirement benchmarks/requirements.txt
	@touch $@

bench: $(BENCH)/.ready
	$(BENCH)/bin/python -m benchmarks

execute: $(READY)
	$(BIN)/python scripts/execute_notebooks.py chapters/*.ipynb chapters/solutions/*.ipynb

colab: $(READY)
	$(BIN)/python _ext/colab.py

colab-check: $(READY)
	$(BIN)/python scripts/play_colab.py

# The lowest PyTorch that pyproject.toml allows, and the newest there is.
compat: $(READY)
	@status=0; \
	$(BIN)/python scripts/play_colab.py --install torch==2.6.0 torchvision==0.21.0 || status=1; \
	$(BIN)/python scripts/play_colab.py --install torch torchvision || status=1; \
	exit $$status

# Needs none of the set-up: where PyTorch is already, that Python will do (PYTHON=...).
gpu-records:
	$(PYTHON) scripts/gpu_records.py $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(DATA_ROOT),--data-root $(DATA_ROOT))

links: book
	$(BIN)/python scripts/external_links.py

screenshots: book browser
	$(BIN)/python scripts/screenshots.py

pdf: book browser
	$(BIN)/python scripts/pdf.py

browser: $(READY)
	@$(BIN)/python scripts/browser.py

clean:
	rm -rf _build
