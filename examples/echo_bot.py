"""A bot that says in one room what it hears in another.  See README.md beside this file."""

import sys

from twisted.internet.task import react

from twisted_msg import Client


async def main(reactor, server="127.0.0.1:5050", heard="lobby", told="echo"):
    async with Client(reactor, server, "echo-bot") as client:
        print(f"{client.name} repeats in {told} what is said in {heard}", flush=True)
        async for message in client.messages(heard):
            await client.send(told, f"{message.sender}: {message.text}")


if __name__ == "__main__":
    react(main, sys.argv[1:])
