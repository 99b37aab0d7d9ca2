#!/usr/bin/env bash
# Publishes one message and prints the acknowledgement: publisher.sh HOST PORT CLIENT ID ROOM MESSAGE
# Run it again with the same CLIENT (16 to 64 secret characters) and ID: the message is stored once.
LC_ALL=C # so that lengths count bytes, not characters
exec 3<>"/dev/tcp/${1:?host}/${2:?port}" || exit
printf '%-128s' "0 HELLO client=${3:?client}" >&3
printf '%-128s%s' "${#6} PUB ${5:?room} ${4:?id}" "$6" >&3
printf '%-128s' "0 BYE" >&3
while read -r -N 128 header <&3 && read -r length verb rest <<<"$header"; do
    payload=$(head -c "$length" <&3 | tr -d '\0')
    case $verb in ACK) echo "ACK $rest" && exit ;; ERR) echo "$rest: $payload" >&2 && exit 1 ;; esac
done
exit 1 # no answer: nobody knows whether it is stored, so run this again
