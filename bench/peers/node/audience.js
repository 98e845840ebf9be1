// Who listens to whom: one Redis channel per user, subscribed to while the user is here. Nothing is stored.

import { Redis } from "ioredis";

export function openAudience(write) {
  const publisher = new Redis(process.env.REDIS_URL);
  const subscriber = new Redis(process.env.REDIS_URL);
  const listeners = new Map();

  subscriber.on("message", (user, message) => {
    for (const listener of listeners.get(user) ?? []) write(listener, message);
  });

  return {
    publish: (user, message) => publisher.publish(user, message),
    join(user, listener) {
      if (!listeners.has(user)) {
        listeners.set(user, new Set());
        subscriber.subscribe(user);
      }
      listeners.get(user).add(listener);
    },
    leave(user, listener) {
      const others = listeners.get(user);
      others.delete(listener);
      if (others.size === 0) {
        listeners.delete(user);
        subscriber.unsubscribe(user);
      }
    },
  };
}
