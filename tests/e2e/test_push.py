"""Notifications outside the page: the service worker shows a push and clears it once it was read elsewhere."""

from __future__ import annotations

import json

from tests.e2e.visit import until
from tests.hub_nodes import new_user

# The page enforces trusted types, so it must vouch for the worker's address itself.
ENABLE = """async (token) => {
  const { enablePush } = await import("/client/hub-push.js");
  const policy = trustedTypes.createPolicy("site", { createScriptURL: (url) => url });
  const serviceWorker = policy.createScriptURL("/client/hub-sw.js");
  const given = await enablePush(seen.hub, { serviceWorker, getPushToken: async () => token });
  globalThis.registration = await navigator.serviceWorker.getRegistration("/client/");
  await new Promise((resolve) => {
    const look = () => (registration.active?.state === "activated" ? resolve() : setTimeout(look, 20));
    look();
  });
  return given;
}"""
SHOWN = "async () => (await registration.getNotifications()).map(({ title, data }) => [title, data.id])"


async def devices(cluster, user, token):
    """Whether the hub knows the browser as a device of the user."""
    async with cluster.user(user) as client:
        return (await client.get(f"/v1/devices/{token}")).status_code == 200


async def pushing(visitor, user):
    """A tab whose user has allowed push, and a way to push to it as FCM would."""
    profile = await visitor.profile()
    await profile.grant_permissions(["notifications"])
    tab = await visitor.visit(user, profile=profile)
    token = f"token-{user}"
    assert await tab.page.evaluate(ENABLE, token) == token
    session = await profile.new_cdp_session(tab.page)
    registrations = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda said: registrations.extend(said["registrations"]))
    await session.send("ServiceWorker.enable")

    async def known():
        return registrations

    (registration, *_) = await until(known, bool)

    async def push(message):
        said = {
            "origin": visitor.site.origin,
            "registrationId": registration["registrationId"],
            "data": json.dumps(message),
        }
        await session.send("ServiceWorker.deliverPushMessage", said)

    return tab, token, push


async def test_a_push_is_cleared_when_read_elsewhere(visitor, cluster):
    """A push is shown once however often it comes, and leaves the screen when another device reads it."""
    user = new_user("alice")
    tab, token, push = await pushing(visitor, user)
    assert await devices(cluster, user, token)
    notification = (await cluster.publish(user, "Ping"))["notifications"][0]["id"]
    message = {"notification": {"title": "Ping", "body": "", "tag": "t"}, "data": {"notification_id": notification}}
    await push(message)
    await push(message)
    shown = await until(lambda: tab.page.evaluate(SHOWN), bool)
    assert shown == [["Ping", notification]]
    async with cluster.user(user, 1) as client:
        await client.post(f"/v1/inbox/{notification}/read")
    await until(lambda: tab.page.evaluate(SHOWN), lambda left: left == [])


async def test_signing_out(visitor, cluster):
    """A browser that is signed out is no device of the user any more, even if the hub forgot it first."""
    user = new_user("alice")
    tab, token, _ = await pushing(visitor, user)
    disable = "async () => (await import('/client/hub-push.js')).disablePush(seen.hub)"
    await tab.page.evaluate(disable)
    assert not await devices(cluster, user, token)
    await tab.page.evaluate("(token) => localStorage.setItem('hub device', token)", token)
    await tab.page.evaluate(disable)


# What the browser would put on the desktop, and a way to look away that a page without windows has not.
DESKTOP = """
globalThis.away = false;
globalThis.shown = [];
Object.defineProperty(Document.prototype, "hidden", { get: () => globalThis.away });
globalThis.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    shown.push(title);
  }
  close() {
    shown.splice(shown.indexOf(this.title), 1);
    super.close();
  }
};
"""
SHOW = "async () => (await import('/client/hub-push.js')).enableDesktop(seen.hub).then((stop) => stop !== null)"
LOOK = "(away) => ((globalThis.away = away), document.dispatchEvent(new Event('visibilitychange')))"


async def test_desktop_notifications(visitor, cluster):
    """While nobody looks, one tab shows what arrives, however many there are; what is read elsewhere is taken away."""
    user = new_user("alice")
    profile = await visitor.profile()
    await profile.grant_permissions(["notifications"])
    await profile.add_init_script(DESKTOP)
    leader, other = [await visitor.visit(user, profile=profile) for _ in range(2)]
    assert (await leader.state())["leader"]

    async def shown():
        return [await tab.page.evaluate("() => shown") for tab in (leader, other)]

    for tab in (leader, other):
        assert await tab.page.evaluate(SHOW)
        await tab.page.evaluate(LOOK, True)
    first = (await cluster.publish(user, "Nobody looks"))["notifications"][0]["id"]
    await until(shown, lambda titles: titles == [["Nobody looks"], []])
    await other.page.evaluate(LOOK, False)
    await cluster.publish(user, "Somebody looks at the other tab")
    await leader.until(unread=2)
    await leader.page.evaluate("() => navigator.locks.query()")  # it has asked by then, and kept quiet
    await other.page.evaluate(LOOK, True)
    await cluster.publish(user, "Nobody again")
    await until(shown, lambda titles: titles == [["Nobody looks", "Nobody again"], []])
    async with cluster.user(user, 1) as client:
        await client.post(f"/v1/inbox/{first}/read")
        await until(shown, lambda titles: titles == [["Nobody again"], []])
        await client.post("/v1/inbox/read-all")
    await until(shown, lambda titles: titles == [[], []])


async def test_without_permission(visitor):
    """Where the user says no there is neither push nor a desktop notification, and nobody is registered."""
    tab = await visitor.visit(new_user("alice"))
    assert not await tab.page.evaluate(SHOW)
    assert await tab.page.evaluate(ENABLE.split("globalThis.registration")[0] + "return given; }", "token") is None
