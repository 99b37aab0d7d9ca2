// A chat in a browser: the last twenty messages of a room, who says what, and a line to type in.
// What is not sent yet survives a reload.

import { Client, drawSecret, WebStorageOutbox, webSocket } from "./tcpmsg/index.js";

const find = (id) => document.getElementById(id);

// One secret and one outbox for each tab: two tabs with one secret would take over from each other.
const secret = sessionStorage.getItem("secret") ?? drawSecret();
sessionStorage.setItem("secret", secret);

const client = new Client({
  transport: webSocket(`${location.protocol.replace("http", "ws")}//${location.host}/ws`),
  secret,
  outbox: new WebStorageOutbox(sessionStorage, "outbox"),
});

client.on("state", (state) => {
  const told = {
    online: () => `You are ${state.name}.`,
    offline: () => `${state.reason.message}. Connecting again.`,
    ended: () => state.reason?.message ?? "Closed.",
  };
  find("state").textContent = told[state.phase]?.() ?? "Connecting.";
});

client.subscribe("lobby", {
  last: 20,
  onEvents: (events) => {
    for (const event of events) {
      if (event.kind === "message") {
        const line = document.createElement("li");
        const { sender, text, time } = event.message;
        // textContent, never innerHTML: what others say is text.
        line.textContent = `${new Date(time).toLocaleTimeString()} ${sender}: ${text ?? "(bytes)"}`;
        find("messages").append(line);
      }
    }
  },
});

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  client.send("lobby", find("text").value);
  find("text").value = "";
});

// A laptop that wakes up need not wait for the next attempt.
addEventListener("online", () => client.nudge());

client.connect();
