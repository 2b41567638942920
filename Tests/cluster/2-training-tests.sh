# neft across hosts, over links of 100 Mbit/s.

the_same_bits_on_1_2_and_4_hosts() {
    launch_on_hosts 2 "${train[@]}" -o "$work/two" "${short[@]}"
    expect "$(reference short)" "$(adapter "$work/two")" "adapter of 2 hosts"
    launch_on_hosts 4 "${train[@]}" -o "$work/four" "${short[@]}" --wire raw --exchange allreduce
    expect "$(reference short)" "$(adapter "$work/four")" "adapter of 4 hosts"
}

the_same_bits_on_2_hosts_with_2_ranks_each() {
    on h1 "mpirun --hostfile $NEFT_LAB/hostfile --host h1:2,h2:2 -np 4 --bind-to none \
        $neft ${train[*]} -o $work/pairs ${short[*]} --threads 1 --hierarchy on"
    expect "$(reference short)" "$(adapter "$work/pairs")" "adapter of 2 hosts with 2 ranks each"
}

a_profile_sends_scores_and_not_gradients() {
    local before after
    local profile=(profile -m "$model" -d "$data" --steps 4 --global-batch 2 --micro-batch 1 --chat-template none
        --cache "$work/hashes" --quiet)
    "$neft" "${profile[@]}" -o "$work/scores-of-one"
    read -r _ _ _ before <<<"$("$lab/counters" h1)"
    launch_on_hosts 2 "${profile[@]}" -o "$work/scores-of-two"
    read -r _ _ _ after <<<"$("$lab/counters" h1)"
    # Scores of two batches are 3 MB, the gradients of all rows of one are 425.
    within $((after - before)) 2000000 20000000 "bytes sent"
    cmp "$work/scores-of-one" "$work/scores-of-two"
}

doctor_measures_the_links() {
    launch_on_hosts 4 doctor -m "$model" -d "$data" --json >"$work/doctor.json"
    python3 - "$work/doctor.json" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
assert [rank["host"] for rank in report["ranks"]] == ["h1", "h2", "h3", "h4"], report["ranks"]
assert len(report["links"]) == 4, report["links"]
for link in report["links"]:
    assert 0.85 * 12.5e6 < link["bytesPerSecond"] < 1.15 * 12.5e6, link
assert len({rank["modelHash"] for rank in report["ranks"]}) == 1 and report["ranks"][0]["modelHash"]
assert sum("slow link" in finding["text"] for finding in report["findings"]) == 4, report["findings"]
PYTHON
}

doctor_finds_another_program() {
    cp "$neft" "$work/other"
    printf '\0' >>"$work/other"
    printf '#!/bin/sh\n[ "$(hostname)" = h2 ] && exec %s "$@"\nexec %s "$@"\n' "$work/other" "$neft" >"$work/either"
    chmod +x "$work/either"
    expect_code 2 on h1 "mpirun --hostfile $NEFT_LAB/hostfile -np 2 --bind-to none $work/either doctor --threads 1" \
        >"$work/other.out" 2>&1
    grep -q "error: the neft program: .* on h1, but .* on h2" "$work/other.out"
}

a_killed_rank_ends_the_run() {
    local job start code=0
    launch_on_hosts 4 "${train[@]}" -o "$work/killed" "${endless[@]}" &
    job=$!
    await 30 has_steps "$work/killed" 1
    start=$SECONDS
    kill -KILL "$(ranks_of_lab h3)"
    wait "$job" || code=$?
    within "$code" 1 255 "exit code"
    within $((SECONDS - start)) 0 20 "seconds"
    await 10 no_ranks
}

a_rank_that_hangs_ends_the_run() {
    local job start hanging
    launch_on_hosts 2 "${train[@]}" -o "$work/hangs" "${endless[@]}" --heartbeat-timeout 5 \
        >"$work/hangs.out" 2>&1 &
    job=$!
    await 30 has_steps "$work/hangs" 1
    hanging=$(ranks_of_lab h2)
    start=$SECONDS
    kill -STOP "$hanging"
    expect_code 70 wait "$job"
    within $((SECONDS - start)) 0 15 "seconds"
    grep -q "rank 1 on h2" "$work/hangs.out"
    await 10 no_ranks
}

a_cut_link_ends_the_run() {
    local job start code=0
    launch_on_hosts 4 "${train[@]}" -o "$work/cut" "${endless[@]}" >"$work/cut.out" 2>&1 &
    job=$!
    await 30 has_steps "$work/cut" 1
    start=$SECONDS
    "$lab/link" h3 down
    wait "$job" || code=$?
    within "$code" 1 255 "exit code"
    # The host that is cut off notices by itself.
    await 40 no_ranks
    within $((SECONDS - start)) 0 40 "seconds"
    "$lab/link" h3 up
    cat "$work/cut.out"
    grep -q "no sign of life from rank 2 on h3" "$work/cut.out"
}

for name in the_same_bits_on_1_2_and_4_hosts the_same_bits_on_2_hosts_with_2_ranks_each \
    a_profile_sends_scores_and_not_gradients doctor_measures_the_links \
    doctor_finds_another_program a_killed_rank_ends_the_run a_rank_that_hangs_ends_the_run \
    a_cut_link_ends_the_run; do check "$name" 90; done
"$lab/hosts-up" 4 100mbit  # whatever a test that failed has left
