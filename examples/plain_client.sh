#!/usr/bin/env bash
# The original protocol with nothing but Bash.
#
#     plain_client.sh HOST PORT              listens, and prints every message
#     plain_client.sh HOST PORT MESSAGE ...  sends each message, then says goodbye

LC_ALL=C # so that lengths count bytes, not characters
exec 3<>"/dev/tcp/${1:?host}/${2:?port}" || exit
shift 2
if [ $# -gt 0 ]; then set -- "$@" '!DISCONNECT!'; else set -- ''; fi # who only listens says nothing
for message; do
    printf '%-128d%s' "${#message}" "$message" >&3
done
while read -r -N 128 header <&3; do
    head -c "${header%% *}" <&3 # the payload, byte for byte
    echo
done
