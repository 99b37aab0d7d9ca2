#!/usr/bin/env bash
# Publishes one message and prints the acknowledgement: publisher.sh HOST PORT CLIENT ID ROOM MESSAGE
# Run it again with the same CLIENT (16 to 64 secret characters) and ID: the message is stored once.
LC_ALL=C # so that lengths count bytes, not characters
[[ $# = 6 && "$3 $4 $5" =~ ^[!-~]+\ [!-~]+\ [!-~]+$ ]] || { echo "usage: $0 HOST PORT CLIENT ID ROOM MESSAGE" >&2 && exit 2; }
exec 3<>"/dev/tcp/$1/$2" || exit
printf '%-128s' "0 HELLO client=$3" >&3
printf '%-128s%s' "${#6} PUB $5 $4" "$6" >&3
printf '%-128s' "0 BYE" >&3
while read -r -N 128 header <&3 && read -r length verb first rest <<<"$header"; do
    payload=$(head -c "$length" <&3 | tr -d '\0')
    [ "$verb" = ERR ] && echo "$first $rest: $payload" >&2 && exit 1
    [ "$verb" = ACK ] && [ "$first" -eq "$4" ] && echo "ACK $first $rest" && exit
    [ "$verb" = ACK ] && echo "ACK $first: $4 is not above it, so stored by an earlier run, or too low an id" >&2 && exit 1
done
exit 1 # no answer: nobody knows whether it is stored, so run this again
