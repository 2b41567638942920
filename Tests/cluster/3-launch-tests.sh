# The launcher: first with a program in neft's place, then with neft.

launch() { NEFT=$tests/stand-in cluster/launch "$@"; }
# What the launcher would give to mpirun: one option per line. Machines have 8 cores.
planned() { # OPTION …
    mkdir -p "$work/plan"
    cat >"$work/plan/mpirun" <<'MPIRUN'
#!/bin/sh
case "$*" in
*ppr:1:node*) for i in 1 2 3; do echo 8; done ;;
*stand-in*) printf '%s\n' "$@" ;;
esac
MPIRUN
    chmod +x "$work/plan/mpirun"
    PATH=$work/plan:$PATH launch "$@" -- code 0
}
after() { grep -Fx -A 1 -e "$1" | tail -n 1; } # the line after

exit_codes_are_the_runs() {
    for code in 0 1 2 42 70; do expect_code "$code" launch -n 2 -- code "$code"; done
    expect_code 75 launch -n 2 -- code 75 2>"$work/said"
    grep -q "launch: .*--resume auto goes on" "$work/said"
}

wrong_options_are_refused() {
    expect_code 2 launch
    expect_code 2 launch -n 2
    expect_code 2 launch -n none -- code 0
    expect_code 2 launch --threads 0 -- code 0
    expect_code 2 launch -n 2 train
    expect_code 2 launch --hostfile "$work/no-such-file" -- code 0
    expect_code 2 env NEFT="$work/no-such-program" cluster/launch -- code 0
    echo "# nobody" >"$work/empty"
    expect_code 2 launch --hostfile "$work/empty" -- code 0
    printf 'h1 slots=2\n' >"$work/two-slots"
    expect_code 2 launch --hostfile "$work/two-slots" -n 3 -- code 0
    launch --help | grep -q "^usage: cluster/launch"
}

ranks_and_threads_follow_the_host_file() {
    printf '# big first\nbig slots=4  # a comment\n\nsmall slots=2\nsmall\nbig slots=1\n' >"$work/unequal"
    planned --hostfile "$work/unequal" >"$work/out"
    expect 8 "$(after -np <"$work/out")" "ranks"
    expect 1 "$(after --threads <"$work/out")" "threads where 5 ranks share 8 cores"
    planned --hostfile "$work/unequal" -n 2 >"$work/out"
    expect 2 "$(after -np <"$work/out")" "ranks"
    expect slot:PE=4 "$(after --map-by <"$work/out")" "cores of a rank where 2 share 8"
    expect core "$(after --bind-to <"$work/out")" "binding"
    expect "$work/unequal" "$(after --hostfile <"$work/out")" "host file"
    planned --hostfile "$work/unequal" -n 2 --threads 5 >"$work/out" 2>"$work/said"
    expect none "$(after --bind-to <"$work/out")" "binding where 10 threads share 8 cores"
    expect 1 "$(after mpi_yield_when_idle <"$work/out")" "leaving the core while waiting"
    grep -q "launch: 2 ranks of 5 threads on a machine with 8 cores" "$work/said"
    planned --mpirun "--mca btl_tcp_if_include eth0" >"$work/out"
    expect eth0 "$(after btl_tcp_if_include <"$work/out")" "option for mpirun"
    expect 3 "$(after oob_tcp_keepalive_time <"$work/out")" "keepalive"
}

ranks_have_cores_of_their_own() {
    local cores
    cores=$(nproc)
    expect 1 "$(launch -n 1 -- code 0 | grep -c ", yields 0: code 0 --threads $cores")" "ranks with all cores"
    [ "$cores" -ge 2 ] || return 0
    launch -n 2 --threads 1 -- code 0 >"$work/out"
    expect 2 "$(grep -o 'cores [^ ]*' "$work/out" | sort -u | grep -c 'cores [0-9]*,$')" "different single cores"
    launch -n 2 --unbound -- code 0 >"$work/out"
    expect 1 "$(grep -o 'cores [^ ]*' "$work/out" | sort -u | wc -l)" "pools of cores when unbound"
    launch -n 2 --threads "$cores" -- code 0 >"$work/out" 2>"$work/said"
    expect 2 "$(grep -c ', yields 1:' "$work/out")" "ranks that leave the core while waiting"
}

no_stand_ins() { ! pgrep -f "$tests/stand-in" >/dev/null; }
# A rank that has not said so yet may not be ready for signals either.
both_ranks_are_up() { [ "$(grep -c '^rank [01] of 2' "$work/out")" = 2 ]; }
press_ctrl_c() { # TIMES STAND-IN'S TASK
    # Where the tests run in the background of a script, INT is ignored from the start.
    env --default-signal=INT NEFT="$tests/stand-in" \
        python3 "$tests/press-ctrl-c.py" "$1" '(?s)rank [01] of 2.*rank [01] of 2' cluster/launch -n 2 -- "$2"
}

a_signal_stops_and_the_code_is_75() {
    for signal in TERM HUP; do
        : >"$work/out"  # not what the run before has said
        # Where the tests run under nohup, a shell could not catch HUP.
        env --default-signal=HUP NEFT="$tests/stand-in" cluster/launch -n 2 -- wait >"$work/out" 2>&1 &
        local job=$!
        await 10 both_ranks_are_up
        kill -s "$signal" "$job"
        expect_code 75 wait "$job"
        await 5 no_stand_ins
    done
    expect_code 75 press_ctrl_c 1 wait
    await 5 no_stand_ins
}

a_second_signal_ends_at_once() {
    : >"$work/out"
    env NEFT="$tests/stand-in" cluster/launch -n 2 -- deaf >"$work/out" 2>&1 &
    local job=$! start=$SECONDS code=0
    await 10 both_ranks_are_up
    kill -TERM "$job"
    sleep 1
    kill -0 "$job"
    kill -TERM "$job"
    wait "$job" || code=$?
    within "$code" 1 255 "exit code"
    await 5 no_stand_ins
    code=0
    press_ctrl_c 2 deaf || code=$?
    within "$code" 1 255 "exit code after Ctrl-C twice"
    await 5 no_stand_ins
    within $((SECONDS - start)) 0 15 "seconds"
}

a_stopped_run_goes_on_with_other_ranks() {
    # Not through a function: the launcher itself is to get the signal.
    "$lab/on-host" h1 "NEFT=$neft exec cluster/launch -n 2 --threads 1 --unbound --hostfile $NEFT_LAB/hostfile \
        -- ${train[*]} -o $work/stopped ${long[*]}" &
    local job=$!
    await 30 has_steps "$work/stopped" 1
    kill -TERM "$job"
    expect_code 75 wait "$job"
    [ ! -e "$work/stopped/final" ]
    await 5 no_ranks
    NEFT=$neft cluster/launch -n 1 -- "${train[@]}" -o "$work/stopped" "${long[@]}" --resume auto
    expect "$(reference long)" "$(adapter "$work/stopped")" "adapter"
}

for name in exit_codes_are_the_runs wrong_options_are_refused ranks_and_threads_follow_the_host_file \
    ranks_have_cores_of_their_own a_signal_stops_and_the_code_is_75 a_second_signal_ends_at_once \
    a_stopped_run_goes_on_with_other_ranks; do check "$name" 60; done
"$lab/hosts-down"
