# The lab itself.

"$lab/hosts-up" 4 100mbit

hosts_are_machines_of_their_own() {
    for i in 1 2 3 4; do
        expect "h$i" "$(on "h$i" hostname)" "name"
        on "h$i" "ip -4 -o address show eth0" | grep -q "10.83.0.$i/24"
        expect "10.83.0.$i" "$(on h1 "getent hosts h$i" | cut -d' ' -f1)" "address by name"
        expect "h$i slots=1" "$(sed -n "${i}p" "$NEFT_LAB/hostfile")" "line of the host file"
    done
    on h1 "touch /dev/shm/mine"
    expect "" "$(on h2 "ls /dev/shm")" "h2's shared memory"
}

# Prints what measure-link.py finds.
measure() { # FROM TO MEGABYTES
    on "$2" "python3 $tests/measure-link.py serve" &
    on "$1" "python3 $tests/measure-link.py measure $2 $3"
    wait $!
}

# A busy machine makes a link slower, never faster: what was measured best is the link's.
link_is() { # FROM TO LOWEST_MILLISECONDS HIGHEST_MILLISECONDS
    local milliseconds rate rest best=0 shortest=1000000
    for try in 1 2 3 4 5; do
        read -r milliseconds rest rate rest <<<"$(measure "$1" "$2" 8)"
        best=$(awk -v a="$best" -v b="$rate" 'BEGIN { print (a > b ? a : b) }')
        shortest=$(awk -v a="$shortest" -v b="$milliseconds" 'BEGIN { print (a < b ? a : b) }')
        awk -v rate="$best" -v time="$shortest" -v most="$4" 'BEGIN { exit !(rate >= 10625000 && time <= most) }' &&
            break
    done
    within "$best" 10625000 14375000 "bytes per second at 100 Mbit/s"
    within "$shortest" "$3" "$4" "milliseconds"
}
links_have_their_rate() {
    link_is h1 h2 0 5
    link_is h4 h3 0 5
}

# Two transfers at once, out of one host and then into one, take twice the time: each direction is limited by itself.
both_directions_are_limited() {
    local start pids=() pid
    for direction in out in; do
        start=$EPOCHREALTIME
        if [ "$direction" = out ]; then
            on h2 "python3 $tests/measure-link.py serve" & pids=($!)
            on h3 "python3 $tests/measure-link.py serve" & pids+=($!)
            on h1 "python3 $tests/measure-link.py measure h2 16" & pids+=($!)
            on h1 "python3 $tests/measure-link.py measure h3 16" & pids+=($!)
        else
            on h1 "python3 $tests/measure-link.py serve 2" & pids=($!)
            on h2 "python3 $tests/measure-link.py measure h1 16" & pids+=($!)
            on h3 "python3 $tests/measure-link.py measure h1 16" & pids+=($!)
        fi
        for pid in "${pids[@]}"; do wait "$pid"; done
        # 32 MiB at 12.5 MB/s are 2.7 s, and in parallel 1.3.
        within "$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" 2.4 20 "seconds $direction"
    done
}

counters_count() {
    local before after
    read -r _ _ _ before <<<"$("$lab/counters" h1)"
    measure h1 h2 4
    read -r _ _ _ after <<<"$("$lab/counters" h1)"
    within $((after - before)) $((4 << 20)) $(((4 << 20) * 110 / 100)) "bytes sent"
}

a_pulled_cable_cuts() {
    "$lab/link" h2 down
    expect_code 124 timeout 2 "$lab/on-host" h1 "python3 $tests/measure-link.py measure h2 1"
    "$lab/link" h2 up
    measure h1 h2 1
}

# In a second lab beside the first.
delays_are_added() {
    export NEFT_LAB=$NEFT_LAB-2
    "$lab/hosts-up" 2 100mbit 10
    link_is h1 h2 9.9 13
    "$lab/link" h2 down
    expect_code 124 timeout 2 "$lab/on-host" h1 "python3 $tests/measure-link.py measure h2 1"
    "$lab/link" h2 up
    measure h1 h2 1
    "$lab/hosts-down"
    export NEFT_LAB=${NEFT_LAB%-2}
    expect h4 "$(on h4 hostname)" "the first lab's host"
}

only_what_the_lab_started_is_ended() {
    export NEFT_LAB=$NEFT_LAB-2
    "$lab/hosts-up" 2
    on h2 "exec sleep 300" &
    local inside=$! outside
    sleep 300 &
    outside=$!
    # As after a crash: the number of h1's process has become another's.
    cp "$NEFT_LAB/h1.pid" "$work/h1.pid"
    echo "$outside" >"$NEFT_LAB/h1.pid"
    expect_code 2 "$lab/on-host" h1 true
    # A lab that was not taken down makes room for the next.
    "$lab/hosts-up" 1
    expect_code 143 wait "$inside"
    await 5 has_ended "$(cat "$work/h1.pid")"
    kill -0 "$outside"
    kill "$outside"
    expect h1 "$(on h1 hostname)" "name"
    expect_code 2 "$lab/on-host" h2 true
    "$lab/hosts-down"
    [ ! -e "$NEFT_LAB" ]
    "$lab/hosts-down"
}

a_folder_of_others_is_left_alone() {
    mkdir "$work/others"
    echo mine >"$work/others/file"
    expect_code 2 env NEFT_LAB="$work/others" "$lab/hosts-up" 1
    expect_code 2 env NEFT_LAB="$work/others" "$lab/hosts-down"
    expect mine "$(cat "$work/others/file")" "file"
}

wrong_usage_is_refused() {
    expect_code 2 "$lab/hosts-up"
    expect_code 2 "$lab/hosts-up" 2 fast
    expect_code 2 "$lab/hosts-up" 2 1gbit soon
    expect_code 2 "$lab/on-host" h9 true
    expect_code 2 "$lab/link" h1 sideways
    expect_code 2 "$lab/counters"
    expect_code 2 "$lab/slurm-up" none
    expect h1 "$(on h1 hostname)" "the lab's host"
}

for name in hosts_are_machines_of_their_own links_have_their_rate both_directions_are_limited counters_count \
    a_pulled_cable_cuts only_what_the_lab_started_is_ended a_folder_of_others_is_left_alone wrong_usage_is_refused; do
    check "$name" 30
done
if [ -c /dev/net/tun ]; then check delays_are_added 30; else echo "left out delays_are_added: no TAP devices here"; fi
