# Four hosts with links of 100 Mbit/s, and real mpirun across them.

hosts_have_names_and_addresses_of_their_own() {
    "$lab/hosts-up" 4 100mbit
    for i in 1 2 3 4; do
        expect "h$i" "$(on "h$i" hostname)" "name"
        on "h$i" "ip -4 -o address show eth0" | grep -q "10.83.0.$i/24"
    done
    expect 4 "$(wc -l <"$NEFT_LAB/hostfile")" "lines of the host file"
}

doctor_measures_the_links() {
    spread 4 "$neft" doctor -m "$model" -d "$data" --threads 1 --json >"$work/doctor.json"
    python3 - "$work/doctor.json" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
assert [rank["host"] for rank in report["ranks"]] == ["h1", "h2", "h3", "h4"], report["ranks"]
assert len(report["links"]) == 4, report["links"]
for link in report["links"]:
    assert 0.85 * 12.5e6 < link["bytesPerSecond"] < 1.1 * 12.5e6, link
assert len({rank["modelHash"] for rank in report["ranks"]}) == 1 and report["ranks"][0]["modelHash"]
assert sum("slow link" in finding["text"] for finding in report["findings"]) == 4, report["findings"]
PYTHON
}

doctor_finds_another_program() {
    cp "$neft" "$work/neft"
    printf '\0' >>"$work/neft"
    printf '#!/bin/sh\n[ "$(hostname)" = h2 ] && exec %s "$@"\nexec %s "$@"\n' "$work/neft" "$neft" >"$work/either"
    chmod +x "$work/either"
    local code=0
    spread 2 "$work/either" doctor --threads 1 >"$work/out" 2>&1 || code=$?
    expect 2 "$code" "exit code"
    grep -q "error: the neft program: .* on h1, but .* on h2" "$work/out"
}

the_same_bits_on_1_2_and_4_hosts() {
    "$neft" "${train[@]}" -o "$work/one" --max-steps 2 --quiet
    spread 2 "$neft" "${train[@]}" -o "$work/two" --max-steps 2 --quiet
    spread 4 "$neft" "${train[@]}" -o "$work/four" --max-steps 2 --quiet --wire raw --exchange allreduce
    expect "$(adapter "$work/one")" "$(adapter "$work/two")" "adapter on 2 hosts"
    expect "$(adapter "$work/one")" "$(adapter "$work/four")" "adapter on 4 hosts"
}

the_same_bits_on_two_hosts_of_two_ranks() {
    sed -n '1,2s/slots=1/slots=2/p' "$NEFT_LAB/hostfile" >"$NEFT_LAB/pairs"
    on h1 "mpirun --mca plm_rsh_agent $lab/on-host --hostfile $NEFT_LAB/pairs -np 4 --bind-to none \
        $neft ${train[*]} -o $work/pairs --max-steps 2 --quiet --hierarchy on"
    expect "$(adapter "$work/one")" "$(adapter "$work/pairs")" "adapter on 2 hosts with 2 ranks each"
}

a_killed_rank_ends_the_run() {
    spread 4 "$neft" "${train[@]}" -o "$work/killed" --epochs 50 --quiet >"$work/killed.out" 2>&1 &
    local job=$! start code=0
    await_steps "$work/killed/metrics.jsonl" 1
    start=$SECONDS
    kill -9 "$(pgrep -f "^$neft train" | tail -n 1)"
    wait "$job" || code=$?
    [ "$code" != 0 ]
    [ $((SECONDS - start)) -le 30 ]
    expect 0 "$(processes)" "ranks left"
}

a_cut_link_ends_the_run() {
    spread 4 "$neft" "${train[@]}" -o "$work/cut" --epochs 50 --quiet >"$work/cut.out" 2>&1 &
    local job=$! start code=0
    await_steps "$work/cut/metrics.jsonl" 1
    start=$SECONDS
    "$lab/link" h3 down
    wait "$job" || code=$?
    local seconds=$((SECONDS - start)) i
    "$lab/link" h3 up
    [ "$code" != 0 ]
    [ "$seconds" -le 40 ]
    # The cut host's own rank is on its own to notice.
    for ((i = 0; i < 400; i++)); do
        [ "$(processes)" != 0 ] || break
        sleep 0.1
    done
    expect 0 "$(processes)" "ranks left"
}

for name in hosts_have_names_and_addresses_of_their_own doctor_measures_the_links doctor_finds_another_program \
    the_same_bits_on_1_2_and_4_hosts the_same_bits_on_two_hosts_of_two_ranks a_killed_rank_ends_the_run \
    a_cut_link_ends_the_run; do check "$name"; done
