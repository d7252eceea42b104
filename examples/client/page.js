/**
 * The page: a form, and a list of orders with what became of each.
 *
 * An order is written down, with its key, before it is sent. Whatever happens to the page then, the order goes on where
 * it stopped when the page is loaded again: it is sent once more under the same key, or its outcome is waited for.
 */

import { Client, isSettled } from "./client.js";

const TYPE = "orders";
const PREFIX = "dropslot-order:";

const parameters = new URLSearchParams(location.search);
const client = new Client({ url: parameters.get("url"), websocketUrl: parameters.get("websocket") });

async function follow(order) {
  show(order);
  try {
    let state = { id: order.id };
    if (order.id === undefined) {
      state = await client.submit(TYPE, order.body, order.key);
      keep(order, { id: state.id, status: state.status });
    }
    if (!isSettled(state)) state = await client.outcome(TYPE, state.id);
    keep(order, state);
  } catch (refused) {
    keep(order, { status: "refused", error: refused.message });
  }
}

/** An entry for each order, not one for all: two tabs must not overwrite each other's. */
function keep(order, changes) {
  Object.assign(order, changes);
  localStorage.setItem(PREFIX + order.key, JSON.stringify(order));
  show(order);
}

function show(order) {
  const list = document.querySelector("#orders");
  let line = list.querySelector(`[data-key="${order.key}"]`);
  if (line === null) {
    line = document.createElement("li");
    line.dataset.key = order.key;
    list.append(line);
  }
  line.dataset.status = order.status;
  const outcome = order.error ?? (order.result === undefined ? "" : JSON.stringify(order.result));
  line.textContent = `${order.body}: ${order.status} ${outcome}`;
}

document.querySelector("#order").addEventListener("submit", (event) => {
  event.preventDefault();
  const { dish, quantity } = Object.fromEntries(new FormData(event.target));
  const body = JSON.stringify({ restaurant: "Da Enzo", items: [{ dish, quantity: Number(quantity) }] });
  const order = { key: crypto.randomUUID(), body, madeAt: Date.now() };
  keep(order, { status: "sending" });
  follow(order);
});

Object.keys(localStorage)
  .filter((name) => name.startsWith(PREFIX))
  .map((name) => JSON.parse(localStorage.getItem(name)))
  .sort((one, other) => one.madeAt - other.madeAt)
  .forEach((order) => (["sending", "pending", "waiting"].includes(order.status) ? follow(order) : show(order)));
