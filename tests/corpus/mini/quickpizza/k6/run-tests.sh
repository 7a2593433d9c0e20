#!/bin/bash
# Smoke run of every lesson; only exit codes matter.
for t in ${TESTS:=k6/foundations/*.js}; do
  echo "Running: $t"
  k6 run --no-thresholds -e BASE_URL="${BASE_URL:=http://localhost:3333}" --log-output=file=logs.txt -w --summary-mode=disabled "$t" || exit $?
done
