#!/usr/bin/env bash
# Prints what was said in a room, from the beginning or from a number on: history.sh HOST PORT ROOM [FROM]
LC_ALL=C # so that lengths count bytes, not characters
exec 3<>"/dev/tcp/${1:?host}/${2:?port}" || exit
printf '%-128s' "0 SUB ${3:?room} from=${4:-1}" "0 BYE" >&3
while read -r -N 128 header <&3 && read -r length verb room seq sender rest <<<"$header"; do
    payload=$(head -c "$length" <&3 | tr -d '\0')
    case $verb in
    MSG) echo "$seq $sender: $payload" ;;
    MISSED) echo "$seq to $sender are no longer kept" ;;
    ERR) echo "$room $seq $sender: $payload" >&2 && exit 1 ;;
    esac
done
