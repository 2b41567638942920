# A real Slurm on two hosts, with the batch scripts as they are.

# Submits a script from the working folder and waits until its job has gone from the queue.
submit() { # SCRIPT [SBATCH OPTION…]
    local script=$1
    shift
    slurm "cd $work && MODEL=$model DATA=$data NEFT=$neft OUTPUT=$OUTPUT SHARES='$SHARES' SAVE_EVERY=1 \
        MPIRUN_OPTIONS='--oversubscribe --bind-to none' NEFT_OPTIONS='${train[*]:5} --quiet $MORE' \
        sbatch --parsable $* $script"
}
slurm() { on h1 ". $NEFT_LAB/slurm/env; $1"; }
await_job() { # ID
    local i
    for ((i = 0; i < 900; i++)); do
        [ -n "$(slurm "squeue -h -j ${1%%;*} 2>/dev/null" || true)" ] || return 0
        sleep 0.1
    done
    echo "job $1 has not ended"
    return 1
}
SHARES='6%' MORE='--max-steps 2'

slurm_comes_up() {
    "$lab/slurm-up" 2 2 1gbit
    slurm sinfo
}

one_node_under_mpirun() {
    OUTPUT=$work/slurm-one
    await_job "$(submit "$PWD/cluster/slurm/one-node.sbatch")"
    cat "$work"/neft-*.log
    expect "$(adapter "$work/one")" "$(adapter "$OUTPUT")" "adapter"
    rm -f "$work"/neft-*.log
}

two_nodes_under_srun() {
    OUTPUT=$work/slurm-many
    await_job "$(submit "$PWD/cluster/slurm/many-nodes.sbatch" --nodes=2)"
    cat "$work"/neft-*.log
    expect "$(adapter "$work/one")" "$(adapter "$OUTPUT")" "adapter"
    grep -q "h1 – h2" "$work"/neft-*.log
    rm -f "$work"/neft-*.log
}

an_array_trains_each_share() {
    OUTPUT=$work/slurm-shares SHARES='3% 6%'
    await_job "$(submit "$PWD/cluster/slurm/array-shares.sbatch" --array=0-1)"
    cat "$work"/neft-*.log
    ls "$OUTPUT"/top-3/final/adapter.safetensors
    expect "$(adapter "$work/one")" "$(adapter "$OUTPUT/top-6")" "adapter of 6 %"
    rm -f "$work"/neft-*.log
}

srun_without_pmix_is_refused() {
    local code=0
    slurm "srun -N2 -n2 --mpi=none $neft ${train[*]} -o $work/alone --max-steps 1" >"$work/out" 2>&1 || code=$?
    cat "$work/out"
    expect 2 "$code" "exit code"
    grep -q "srun --mpi=pmix" "$work/out"
    [ ! -e "$work/alone" ]
}

a_requeued_job_goes_on_to_the_same_bits() {
    OUTPUT=$work/slurm-long MORE='--max-steps 8'
    local id i
    "$neft" "${train[@]}" -o "$work/eight" --max-steps 8 --quiet
    id=$(submit "$PWD/cluster/slurm/requeue.sbatch")
    await_steps "$OUTPUT/metrics.jsonl" 2
    # As at the time limit: to the batch script alone.
    slurm "scancel --batch --signal=USR1 $id"
    for ((i = 0; i < 300; i++)); do
        ! grep -q "queued again" "$work"/neft-*.log || break
        sleep 0.1
    done
    await_job "$id"
    cat "$work"/neft-*.log
    grep -q "queued again" "$work"/neft-*.log
    expect 8 "$(wc -l <"$OUTPUT/metrics.jsonl")" "lines of the log"
    expect "$(adapter "$work/eight")" "$(adapter "$OUTPUT")" "adapter"
}

for name in slurm_comes_up one_node_under_mpirun two_nodes_under_srun an_array_trains_each_share \
    srun_without_pmix_is_refused a_requeued_job_goes_on_to_the_same_bits; do check "$name"; done
