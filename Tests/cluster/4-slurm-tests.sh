# The batch scripts under a real Slurm of two nodes.

"$lab/slurm-up" 2 2 1gbit

slurm() { on h1 ". $NEFT_LAB/slurm/env; $*"; }
# Submits a script of the project with the settings in the environment; prints the job's number.
submit() { # SCRIPT OPTION …
    local script=$1
    shift
    MODEL=$model DATA=$data NEFT=$neft slurm "sbatch --parsable --chdir=$work $* $PWD/cluster/slurm/$script.sbatch"
}
state() { slurm "scontrol show job $1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | sort -u; }
is_over() { [[ $(state "$1") =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)$ ]]; }
completed() { # JOB
    await 60 is_over "$1"
    expect COMPLETED "$(state "$1")" "state of job $1" || {
        cat "$work"/neft-"$1"*.log
        return 1
    }
}

one_node() {
    local start job
    for start in mpirun srun; do
        job=$(OUTPUT=$work/one-$start START=$start NEFT_OPTIONS="${short[*]} --quiet" submit one-node)
        completed "$job"
        expect "$(reference short)" "$(adapter "$work/one-$start")" "adapter with $start"
    done
}

many_nodes() {
    local start job
    for start in mpirun srun; do
        # On real nodes the default binding is right; here both share the cores, and the first would have both ranks.
        job=$(OUTPUT=$work/many-$start START=$start MPIRUN_OPTIONS="--bind-to none" NEFT_OPTIONS="${short[*]} --quiet" \
            submit many-nodes)
        completed "$job"
        expect "$(reference short)" "$(adapter "$work/many-$start")" "adapter with $start"
        # neft doctor came first and saw both nodes.
        grep -q h1 "$work/neft-$job.log"
        grep -q h2 "$work/neft-$job.log"
    done
}

an_array_of_shares() {
    local job
    job=$(OUTPUT=$work/shares SHARES="1% 3%" NEFT_OPTIONS="${options[*]} --max-steps 2 --quiet" submit array-shares --array=0-1%2)
    completed "$job"
    local small large
    small=$(stat -c %s "$work/shares/top-1/final/adapter.safetensors")
    large=$(stat -c %s "$work/shares/top-3/final/adapter.safetensors")
    within $((large * 10 / small)) 25 35 "tenfold ratio of adapters"
    # A number without a share.
    job=$(OUTPUT=$work/shares SHARES="1% 3%" submit array-shares --array=2)
    await 20 is_over "$job"
    expect FAILED "$(state "$job")" "state"
    grep -q "use --array=0-1" "$work/neft-$job-2.log"
}

# Both ways to start, at once on a node each.
a_stopped_run_is_queued_again_and_goes_on() {
    local start
    declare -A job
    for start in mpirun srun; do
        job[$start]=$(OUTPUT=$work/again-$start START=$start MPIRUN_OPTIONS="--bind-to none" \
            NEFT_OPTIONS="${long[*]} --quiet" submit requeue)
    done
    for start in mpirun srun; do
        await 30 has_steps "$work/again-$start" 1
        # What --signal=B:USR1@… sends before the time limit.
        slurm "scancel --batch --signal=USR1 ${job[$start]}"
    done
    for start in mpirun srun; do
        completed "${job[$start]}"
        grep -q "saved; queued again" "$work/neft-${job[$start]}.log"
        grep -q "part 2 of job" "$work/neft-${job[$start]}.log"
        expect "$(reference long)" "$(adapter "$work/again-$start")" "adapter with $start"
    done
}

a_time_limit_stops_and_saves() {
    # Slurm looks every half minute and sends the signal when 20 s more than that are left: not before the ranks are up.
    local job
    job=$(OUTPUT=$work/limit MPIRUN_OPTIONS="--bind-to none" NEFT_OPTIONS="${endless[*]} --quiet" \
        submit requeue --time=1 --signal=B:USR1@20)
    await 60 grep -qs "saved; queued again" "$work/neft-$job.log"
    ls "$work/limit" | grep -q '^checkpoint-[0-9]*$'
    slurm "scancel $job"
    await 20 is_over "$job"
}

a_rank_that_dies_ends_the_job() {
    local job start
    job=$(OUTPUT=$work/dies START=srun DOCTOR=no NEFT_OPTIONS="${endless[*]} --quiet" submit many-nodes)
    await 30 has_steps "$work/dies" 1
    start=$SECONDS
    kill -KILL "$(ranks_of_lab h2)"
    await 20 is_over "$job"
    expect FAILED "$(state "$job")" "state"
    within $((SECONDS - start)) 0 20 "seconds"
    await 10 no_ranks
}

srun_without_pmix_is_refused() {
    expect_code 2 slurm "srun --nodes=2 --ntasks=2 --mpi=none $neft ${train[*]} -o $work/alone ${short[*]}" \
        >"$work/out" 2>&1
    grep -q "srun --mpi=pmix" "$work/out"
    [ ! -e "$work/alone" ]
}

the_launcher_in_an_allocation() {
    slurm "NEFT=$tests/stand-in salloc --quiet --nodes=2 --ntasks-per-node=2 --cpus-per-task=1 \
        cluster/launch -- code 0" >"$work/out"
    expect 4 "$(grep -c ' of 4 on h[12], cores [0-9]*, .*: code 0 --threads 1' "$work/out")" "bound ranks"
}

everything_is_taken_down() {
    "$lab/slurm-down"
    [ ! -e "$NEFT_LAB" ]
    expect "" "$(. "$lab/common" && lab_spaces)" "namespaces"
    expect "" "$(pgrep -f "$NEFT_LAB")" "processes"
}

for name in one_node many_nodes an_array_of_shares a_stopped_run_is_queued_again_and_goes_on \
    a_time_limit_stops_and_saves a_rank_that_dies_ends_the_job srun_without_pmix_is_refused \
    the_launcher_in_an_allocation everything_is_taken_down; do check "$name" 120; done
