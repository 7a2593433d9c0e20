#!/bin/sh
set -e
cargo test
if [ "$TRAVIS_RUST_VERSION" = nightly ]; then
  cargo bench --no-run
fi
