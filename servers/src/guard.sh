# Stands between a test process and the server that it started, so that the server ends with it, however it ends: the pipe at our
# standard input is held by that process alone, and its end is the signal.
#
# arguments: the server's folder, the signal that ends the server at once but cleanly, and the server's command line
# standard input: one line per start
# standard output: one line per start, the server's process id
folder=$1
signal=$2
shift 2
pid=

# Our own child, running or not yet waited for: its number can't be anybody else's.
is_ours() {
    [ -n "$pid" ] && read -r _ _ _ parent _ <"/proc/$pid/stat" && [ "$parent" = $$ ]
} 2>/dev/null

while read -r _; do
    [ -z "$pid" ] || wait "$pid"
    # A session of its own: a Ctrl-C at the terminal is for the test, and the server must outlive the test's first wish.
    setsid "$@" </dev/null >>"$folder/log" 2>&1 &
    pid=$!
    # Whoever asked may be gone by now, and then the end of the pipe must still be read.
    (
        trap '' PIPE
        echo "$pid"
    ) 2>/dev/null
done

if is_ours; then
    # A paused server, or one whose children are paused, hears nothing else.
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children") 2>/dev/null
    kill -"$signal" "$pid" 2>/dev/null
    wait "$pid"
fi
# PostgreSQL names in its lock file the shared memory that a SIGKILL leaves behind.
if [ -f "$folder/data/postmaster.pid" ]; then
    segment=$(awk 'NR == 7 { print $2 }' "$folder/data/postmaster.pid")
    [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
fi
rm -rf "$folder"
