# The commands of the project. `make` alone lists them.

.PHONY: help build install deb docs quickstart test test-cluster test-long bench paper methods sanity format lint clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

build:  ## build neft in release (.build/release/neft)
	cluster/install-packages
	swift build -c release

install:  ## install neft, launcher, manual pages and completions: make install PREFIX=~/.local DESTDIR=
	cluster/install --prefix "$(or $(PREFIX),/usr/local)" --destdir "$(DESTDIR)"

deb:  ## make a Debian package (dist/neft_….deb)
	cluster/make-deb

docs:  ## build the documentation of the library modules (.build/docs)
	cluster/make-docs

quickstart:  ## from nothing to a fine-tuned model on two ranks, in about 15 minutes
	cluster/quickstart

test:  ## install what the tests need and run all of them
	Tests/run

test-cluster:  ## run neft on a lab of hosts and under Slurm on this machine (root or sudo; 4 minutes)
	Tests/cluster/run

test-long:  ## 20,000 strings per tokenizer; damaged files for 10 minutes a reader; exports in other programs; the docs' commands; disturb a run twenty times; install; old processors; test as an ordinary user (root; 4 hours)
	Tests/long/tokenizers
	Tests/long/fuzz
	Tests/long/documentation
	Tests/long/consumers
	Tests/long/chaos
	Tests/long/install
	Tests/long/old-cpus
	cluster/make-docs
	Tests/long/ordinary-user

bench:  ## measure beside PyTorch, PEFT and llama.cpp (own environment in the cache folder); fills docs/performance.md (2 hours)
	Benchmarks/all

paper:  ## does it win, and when? the comparison of docs/results.md, run by run; may be interrupted (hours; Benchmarks/paper --plan)
	Benchmarks/paper

methods:  ## compare every profiler and baseline on a few hundred rows; may be interrupted (35 minutes)
	Benchmarks/methods --docs docs/results-small

sanity:  ## train beside PyTorch on the same batches and compare losses and BLEU (40 minutes)
	Benchmarks/sanity

format:  ## format the Swift sources in place
	swift format --in-place --recursive --parallel Sources Tests Examples Package.swift

lint:  ## check the format of the Swift sources
	swift format lint --strict --recursive --parallel Sources Tests Examples Package.swift

clean:  ## remove build folders (downloads and runs stay)
	rm -rf .build .build-tests .build-install .build-example dist
