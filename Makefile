# The two commands: `make book` and `make test`. Everything they need they make themselves.

PYTHON  ?= python3
VENV    ?= .venv
BOOK    ?= .
# On two cores: notebooks compute, while many tests wait for a browser or for other processes.
NOTEBOOKS ?= 2
WORKERS   ?= 3

BIN   := $(VENV)/bin
READY := $(VENV)/.ready
# uv, where there is one, keeps what it has unpacked: 5 GB of PyTorch are set up again in seconds.
PIP   := $(if $(shell command -v uv),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install)

.PHONY: help book test test-all bench sweep evidence execute hashes colab colab-check compat gpu-records links \
  screenshots pdf epub site student teacher browser images firefox javascript clean

help:
	@echo "make book         set up, execute every notebook, build _build/html"
	@echo "make test         set up, build, then run the tests, the notebooks and the pages included"
	@echo "make test-all     also the tests marked as rare (builds, EPUB, nbgrader, benchmarks), and Firefox"
	@echo "make bench        time it beside its peers: tables, ratios and goals (an hour or less)"
	@echo "make sweep        profile every network of torchvision, timm and transformers (hours)"
	@echo "make execute      run the chapters in place and keep their outputs in the notebooks"
	@echo "make colab        the chapters for Google Colab, into _build/colab"
	@echo "make colab-check  run every one of them where only Colab's packages are"
	@echo "make compat       the same with PyTorch 2.6, with Colab's versions and with the newest (downloads all)"
	@echo "make evidence     what is missing of the standard experiments: many hours, in the background"
	@echo "make links        ask every address of another host in the built pages for an answer"
	@echo "make gpu-records  every experiment at full scale on a CUDA device; MINUTES=9 for a piece of it"
	@echo "make screenshots  every page, light and dark, wide and narrow, into _build/screenshots"
	@echo "make pdf          the whole book as one PDF, _build/book.pdf"
	@echo "make epub         the whole book as one EPUB, for readers of books, _build/book.epub"
	@echo "make site         both, beside the pages in _build/html, which then link to them"
	@echo "make student      exercises to hand out, without answers, into _build/student"
	@echo "make teacher      the same with answers, for nbgrader, slides and figures, into _build/teacher"
	@echo "make hashes       requirements-hashes.txt anew, after a change of requirements.txt"
	@echo "TORCH_INDEX=...   with any of them: PyTorch from this index or folder, such as one for CPUs"
	@echo "HASHES=1          with any of them: install nothing but the files of requirements-hashes.txt"
	@echo "make clean        remove _build (the environment in $(VENV) stays)"

# A machine that keeps no bytecode has each of the hundred processes below compile PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

# The stamp is removed first and written last. A set-up that was cut off has none, and starts over.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { echo \
	  "The book needs Python 3.11 to 3.14; $(PYTHON) is another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	$(if $(TORCH_INDEX),$(BIN)/python scripts/torch_from.py "$(TORCH_INDEX)")
	$(PIP) $(if $(HASHES),--require-hashes --requirement requirements-hashes.txt,\
	  --requirement requirements.txt)
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# Notebooks are executed again only when they or the package changed, and pages are written again
# only where that is safe: scripts/build_book.py says when.
book: $(READY)
	$(BIN)/python scripts/build_book.py $(BOOK)

# The book shows the notebooks as nbval executed them. A thread each: two processes of two threads on
# two cores only wait for each other. All parts run, whichever fails.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder --durations 10
NBGRADER := .venv-nbgrader
test-all: ALL := 1
test-all: firefox $(NBGRADER)/.ready
test test-all: browser images
	@status=0; \
	$(BIN)/python -m ruff check . || status=1; \
	$(BIN)/python -m ruff format --check . || status=1; \
	$(BIN)/python -m mypy || status=1; \
	$(MAKE) --no-print-directory javascript || status=1; \
	$(PYTEST) -n $(NOTEBOOKS) -p scripts.kept --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout=3600 chapters || status=1; \
	$(BIN)/python scripts/build_book.py $(BOOK) || status=1; \
	$(PYTEST) -n $(WORKERS) $(if $(ALL),,-m "not rare") tests || status=1; \
	$(if $(ALL),$(PYTEST) -n $(NOTEBOOKS) -m firefox --browser firefox tests/site || status=1;) \
	exit $$status

# What checks the pages' scripts comes from npm, as package-lock.json has it.
NODE := node_modules/.ready
$(NODE): package.json package-lock.json
	@command -v npm > /dev/null || { echo \
	  "no npm found, which has the checks of the pages' scripts: install Node.js (Debian: apt-get install npm)" \
	  >&2; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@

javascript: $(NODE)
	npm run --silent check

# What grades the exercises wants a Jupyter of its own, and changes nothing in the book's.
$(NBGRADER)/.ready: $(READY) tests/teaching/requirements.txt
	@rm -f $@
	$(BIN)/python -m venv --clear $(NBGRADER)
	$(NBGRADER)/bin/python -m pip install --quiet --requirement tests/teaching/requirements.txt
	@touch $@

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

# As the peers, timm and transformers are in the benchmarks' own environment.
sweep: $(BENCH)/.ready
	OMP_NUM_THREADS=1 $(BENCH)/bin/python -m benchmarks.sweep $(SWEEP)

execute: $(READY)
	$(BIN)/python scripts/execute_notebooks.py chapters/*.ipynb chapters/solutions/*.ipynb

colab: $(READY)
	$(BIN)/python _ext/colab.py

colab-check: $(READY)
	$(BIN)/python scripts/play_colab.py

# The lowest PyTorch that pyproject.toml allows, what Colab's image has (its Python is 3.13: with
# PYTHON=python3.13 it is that, too), and the newest there is.
COLAB := torch==2.11.0 torchvision==0.26.0 ipython==7.34.0 pandas==2.2.2
compat: $(READY)
	@status=0; \
	$(BIN)/python scripts/play_colab.py --install torch==2.6.0 torchvision==0.21.0 || status=1; \
	$(BIN)/python scripts/play_colab.py --install $(COLAB) || status=1; \
	$(BIN)/python scripts/play_colab.py --install torch torchvision || status=1; \
	exit $$status

# Needs none of the set-up: where PyTorch is already, that Python will do (PYTHON=...).
gpu-records:
	$(PYTHON) scripts/gpu_records.py $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(DATA_ROOT),--data-root $(DATA_ROOT))

# Hours on two cores, one thread a run; stop it when you like, the same call goes on.
EVIDENCE = pretrained degradation zoo aux-vs-batchnorm preactivation kernel-stacks cardinality \
  stem-search fast-recipe
evidence: $(READY)
	OMP_NUM_THREADS=1 nice -n 19 $(BIN)/python -m cnnbook experiment $(EVIDENCE) \
	  --scale standard --jobs 2

links: book
	$(BIN)/python scripts/external_links.py

screenshots: book browser
	$(BIN)/python scripts/screenshots.py

pdf: book browser
	$(BIN)/python scripts/pdf.py $(BOOK)

# The browser writes the pages as XML, and draws the cover.
epub: book browser
	$(BIN)/python scripts/epub.py $(BOOK)

# As it is published: with both beside the pages, which link to them.
site: pdf epub
	$(BIN)/python _ext/downloads.py $(BOOK)

# Notebooks to assign: scripts/course.py says how they are made and graded.
student: $(READY)
	$(BIN)/python scripts/course.py student

# With slides, figures and a plan: scripts/lecture.py.
teacher: $(READY) browser
	$(BIN)/python scripts/course.py teacher
	$(BIN)/python scripts/lecture.py

# Some tests read all of Fashion-MNIST.
images: $(READY)
	@$(BIN)/python scripts/fetch_images.py

browser: $(READY)
	@$(BIN)/python scripts/browser.py

firefox: $(READY)
	@$(BIN)/python scripts/browser.py firefox

# In a place of its own: the tool is no part of the book.
hashes:
	$(PYTHON) -m venv _build/hashes
	_build/hashes/bin/python -m pip install --quiet uv
	_build/hashes/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --output-file requirements-hashes.txt \
	  requirements.txt

clean:
	rm -rf _build
