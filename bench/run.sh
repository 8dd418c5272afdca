#!/usr/bin/env bash
# Measures everything and writes docs/performance.md. Linux only.
#
#   bench/run.sh [--quick] [--rounds N] [--pieces N] [--readers N] [--out DIR]
#
# --quick    a little of everything, in a minute, to see that it works; writes
#            to a temporary directory
# --rounds   how many rounds of questions 1 to 4 and 6 (10)
# --pieces   how many more rounds of the cost of a piece and the floor's, half a minute each (20)
# --readers  how many rounds of question 5, five minutes each (3)
# --out      where to write results.txt, for benchstat, and performance.md
set -euo pipefail
cd "$(dirname "$0")"

rounds=10 more=20 readers=3 out='' page=../docs/performance.md flags=() many=() pieces=3000000
while [ $# -gt 0 ]; do
  case $1 in
    --quick) rounds=1 more=1 readers=1 page='' flags=(-test.short) many=(--clients 100 --delay 10ms) pieces=100000 ;;
    --rounds) rounds=$2; shift ;;
    --pieces) more=$2; shift ;;
    --readers) readers=$2; shift ;;
    --out) out=$2 page=''; shift ;;
    *) sed -n '2,/^set/s/^#//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

built=$(mktemp -d)
child=''
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; rm -rf "$built"' EXIT
trap 'exit 1' INT TERM

# run runs a command so that it ends when this script is ended.
run() {
  "$@" >>"$results" &
  child=$!
  wait "$child"
  child=''
}
out=${out:-$(mktemp -d)}
mkdir -p "$out"
results=$out/results.txt
: >"$results"

# Each connection takes a file on either side.
ulimit -n "$(ulimit -Hn)" || true

go test -c -o "$built/bench" .
go build -o "$built/" ./readers ./report

for ((round = 0; round < rounds; round++)); do
  printf 'round %d of %d (%ss)\n' $((round + 1)) "$rounds" "$SECONDS" >&2
  # Question 6 takes a minute of each round: its rates and latencies are measured in two
  # rounds, its throughput in four.
  which=.
  if ((round >= 2)); then which='^Benchmark(Rate|Latency|Bulk|HTTP|LastEvents|Pieces|PiecesOnOneProcessor|ZeroLink|ProxyBulk)$'; fi
  if ((round >= 4)); then which='^Benchmark(Rate|Latency|Bulk|HTTP|LastEvents|Pieces|PiecesOnOneProcessor|ZeroLink)$'; fi
  run "$built/bench" -test.run '^$' -test.bench "$which" -test.benchtime 1x -round "$round" "${flags[@]}"
done
# The ratio to the floor is the narrowest aim, and on a shared machine a single round may be
# far off.
for ((round = rounds; round < rounds + more; round++)); do
  printf 'pieces, round %d of %d (%ss)\n' $((round - rounds + 1)) "$more" "$SECONDS" >&2
  run "$built/bench" -test.run '^$' -test.bench '^BenchmarkPieces(OnOneProcessor)?$/./by=(ours|floor)$' -test.benchtime 1x -round "$round" "${flags[@]}"
done
for ((round = 0; round < readers; round++)); do
  printf 'readers, round %d of %d (%ss)\n' $((round + 1)) "$readers" "$SECONDS" >&2
  run "$built/readers" "${many[@]}"
done

# profile NAME BENCHMARK [FLAG...] writes where the time goes into NAME.txt.
profile() {
  local name=$1 benchmark=$2
  printf 'profile of %s (%ss)\n' "$benchmark" "$SECONDS" >&2
  shift 2
  "$built/bench" -test.run '^$' -test.bench "$benchmark" -test.benchtime 1x -test.cpuprofile "$out/$name.prof" "$@" >/dev/null
  go tool pprof -top -nodecount 100000 -nodefraction 0 "$built/bench" "$out/$name.prof" >"$out/$name.txt" 2>/dev/null
}
profile pieces-ours 'Pieces$/conns=10000/by=ours' -pieces "$pieces"
profile pieces-floor 'Pieces$/conns=10000/by=floor' -pieces "$pieces"
profile bulk-ours 'Bulk/link=none/by=ours' -test.count 5
profile bulk-bufconn 'Bulk/link=none/by=bufconn' -test.count 5

# What is allocated: the packages' own benchmarks, a million times each.
times=1000000x
[ ${#flags[@]} -eq 0 ] || times=10000x
printf 'allocations (%ss)\n' "$SECONDS" >&2
(cd .. && go test -run '^$' -bench 'Piece/1000$|Dial/cubic/close$|FlowSend/plain|Transfer/|Write/64$' -benchmem -benchtime $times ./simtest ./slownet ./slownet/netem ./reactor) |
  grep -E '^(pkg:|Benchmark)' >"$out/allocations.txt"

"$built/report" performance.md.tmpl "$results" >"$out/performance.md"
if [ -n "$page" ]; then
  cp "$out/performance.md" "$page"
fi
printf 'wrote %s and %s\n' "$results" "${page:-$out/performance.md}" >&2
