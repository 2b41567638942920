# Sourced by run: what the tests share.

# Runs a test, a function, for at most LIMIT seconds; its output is shown only where it fails.
check() { # NAME [LIMIT]
    [[ $1 =~ $filter ]] || return 0
    local name=$1 limit=${2:-60} start=$SECONDS code=0
    set -m  # in a process group of its own, which can be ended as a whole
    (
        set -eu +m
        "$name"
    ) >"$work/$name.log" 2>&1 </dev/null &
    running=$!
    set +m
    while kill -0 "$running" 2>/dev/null; do
        if [ $((SECONDS - start)) -ge "$limit" ]; then
            echo "not done after $limit s" >>"$work/$name.log"
            kill -KILL -- "-$running" 2>/dev/null
        fi
        sleep 0.1
    done
    wait "$running" 2>/dev/null || code=$?
    running=''
    if [ "$code" = 0 ]; then
        passed=$((passed + 1))
        echo "ok      $name ($((SECONDS - start)) s)"
    else
        failed=$((failed + 1))
        echo "FAILED  $name ($((SECONDS - start)) s)"
        tail -n 40 "$work/$name.log" | sed 's/^/    /'
    fi
}

expect() { # EXPECTED FOUND WHAT
    [ "$1" = "$2" ] || {
        echo "$3: expected $1, found $2"
        return 1
    }
}
within() { # VALUE LOW HIGH WHAT
    awk -v value="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(value >= low && value <= high) }' || {
        echo "$4: expected $2 to $3, found $1"
        return 1
    }
}
# Runs a command and compares its exit code.
expect_code() { # CODE COMMAND…
    local expected=$1 code=0
    shift
    "$@" || code=$?
    expect "$expected" "$code" "exit code of $*"
}
# Waits until COMMAND succeeds, at most SECONDS.
await() { # SECONDS COMMAND…
    local tenths=$(($1 * 10))
    shift
    until "$@"; do
        [ $((tenths -= 1)) -gt 0 ] || {
            echo "waited in vain for: $*"
            return 1
        }
        sleep 0.1
    done
}
# A process that nobody has waited for is a zombie, which has ended too.
has_ended() { ! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"; } # PID

adapter() { sha256sum "$1/final/adapter.safetensors" | cut -d' ' -f1; }
# The adapter of the run that one rank made undisturbed.
reference() { adapter "$work/$1"; } # short|long
has_steps() { # RUN COUNT
    [ -e "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -ge "$2" ]
}

on() { "$lab/on-host" "$@"; }
# The processes of neft in the lab, or on some of its hosts.
ranks_of_lab() { # [HOST …]
    (
        . "$lab/common"
        for pid in $(lab_processes "${@/#/$spaces-}"); do
            [ "$(readlink "/proc/$pid/exe")" != "$neft" ] || echo "$pid"
        done
    )
}
no_ranks() { [ -z "$(ranks_of_lab)" ]; }
# The project's launcher on h1. Hosts share this machine's cores: ranks that were bound would all be on the first.
launch_on_hosts() { # RANKS COMMAND…
    local ranks=$1
    shift
    on h1 "NEFT=$neft exec cluster/launch -n $ranks --threads 1 --unbound --hostfile $NEFT_LAB/hostfile -- $*"
}
