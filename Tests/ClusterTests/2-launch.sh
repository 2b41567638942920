# The launcher: exit codes, and a stop that saves.

launch_refuses_what_cannot_work() {
    local code arguments
    for arguments in "-n" "-n 0 -- doctor" "--hostfile none -- doctor" "--fast -- doctor" "-n 2"; do
        code=0
        cluster/launch $arguments >"$work/out" 2>&1 || code=$?
        expect 2 "$code" "exit code of launch $arguments"
    done
    code=0
    cluster/launch -n 2 -- train -m nowhere -d "$data" -o "$work/none" >"$work/out" 2>&1 || code=$?
    expect 2 "$code" "exit code of a run with bad input"
    grep -q "nowhere: no such file" "$work/out"
}

an_interrupted_launch_saves_and_goes_on_to_the_same_bits() {
    local steps=6
    cluster/launch -n 2 --threads 1 -- "${train[@]:0:11}" -o "$work/whole" --max-steps $steps --quiet
    # A shell's background jobs ignore SIGINT, which only a terminal sends; SIGTERM is treated alike.
    cluster/launch -n 2 --threads 1 -- "${train[@]:0:11}" -o "$work/parts" --max-steps $steps --quiet --resume auto \
        >"$work/out" 2>&1 &
    local job=$! code=0
    await_steps "$work/parts/metrics.jsonl" 2
    kill -TERM "$job"
    wait "$job" || code=$?
    cat "$work/out"
    expect 75 "$code" "exit code of the interrupted run"
    [ ! -e "$work/parts/final" ]
    ls -d "$work"/parts/checkpoint-*
    "$neft" "${train[@]}" -o "$work/parts" --max-steps $steps --quiet --resume auto
    expect "$(adapter "$work/whole")" "$(adapter "$work/parts")" "adapter after an interruption, gone on with on one rank"
}

a_second_signal_ends_the_launch_at_once() {
    cluster/launch -n 2 --threads 1 -- "${train[@]:0:9}" --micro-batch 8 -o "$work/ended" --epochs 50 --quiet \
        >"$work/out" 2>&1 &
    local job=$! code=0 start=$SECONDS
    await_steps "$work/ended/metrics.jsonl" 1
    kill -TERM "$job"
    sleep 0.3
    kill -TERM "$job"
    wait "$job" || code=$?
    [ "$code" != 0 ]
    [ $((SECONDS - start)) -le 20 ]
    expect 0 "$(processes)" "ranks left"
}

a_stopped_rank_is_found() {
    spread 2 "$neft" "${train[@]}" -o "$work/asleep" --epochs 50 --quiet --heartbeat-timeout 5 >"$work/asleep.out" 2>&1 &
    local job=$! code=0 start victim
    await_steps "$work/asleep/metrics.jsonl" 1
    victim=$(pgrep -f "^$neft train" | tail -n 1)
    kill -STOP "$victim"
    start=$SECONDS
    wait "$job" || code=$?
    kill -KILL "$victim" 2>/dev/null || true
    cat "$work/asleep.out"
    [ "$code" != 0 ]
    [ $((SECONDS - start)) -le 20 ]
    grep -qE "rank [01] on h[12]" "$work/asleep.out"
    sleep 1
    expect 0 "$(processes)" "ranks left"
}

for name in launch_refuses_what_cannot_work an_interrupted_launch_saves_and_goes_on_to_the_same_bits \
    a_second_signal_ends_the_launch_at_once a_stopped_rank_is_found; do check "$name"; done
