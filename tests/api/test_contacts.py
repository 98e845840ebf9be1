"""Where users can be reached: contacts that a library has checked, devices that belong to one user."""

import pytest

from tests.api.calls import pointers
from tests.hub_nodes import new_user

KNOWN = {"email": "ada@example.com", "phone": "+4930901820", "locale": "de-CH", "timezone": "Europe/Berlin"}
NOTHING = dict.fromkeys(KNOWN)


async def test_a_contact_is_replaced_as_a_whole(api):
    """What is put is shown, by the other node too; what the next one leaves out is forgotten."""
    user = new_user()
    async with api.service() as service, api.service(1) as other:
        assert (await service.get(f"/v1/users/{user}")).status_code == 404
        put = await service.put(f"/v1/users/{user}", json=KNOWN)
        assert (put.status_code, put.json()) == (200, {"user_id": user, **KNOWN})
        assert (await other.get(f"/v1/users/{user}")).json() == put.json()
        await service.put(f"/v1/users/{user}", json={"locale": "en"})
        assert (await other.get(f"/v1/users/{user}")).json() == {"user_id": user, **NOTHING, "locale": "en"}


@pytest.mark.parametrize(
    ("field", "said", "kept"),
    [
        ("email", "Ada@EXAMPLE.com", "Ada@example.com"),
        ("email", "ada@bücher.example", "ada@bücher.example"),
        ("phone", "+49 (30) 90-1820", "+4930901820"),
        ("phone", "+1 415 555 2671", "+14155552671"),
        ("timezone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("locale", "zh-Hant-TW", "zh-Hant-TW"),
    ],
)
async def test_an_address_is_kept_in_its_one_spelling(api, field, said, kept):
    """However it is written, the same address is stored the same way."""
    async with api.service() as service:
        answer = await service.put(f"/v1/users/{new_user()}", json={field: said})
    assert (answer.status_code, answer.json()[field]) == (200, kept)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("email", ["", "ada", "ada@", "@example.com", "a b@example.com", "a@b@c.de", "a@example..com", "a" * 300, 7]),
        ("email", ["ada@example.com\nBcc: x@example.com", "ada@localhost", "Ada <ada@example.com>", "a\0@example.com"]),
        ("phone", ["", "12345", "030 901820", "+", "+49", "+999123456789", "+4930" + "1" * 30, "nobody", 4930901820]),
        ("locale", ["", "d", "de_CH", "de-", "german language", 1]),
        ("timezone", ["", "Berlin", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 65, "Europe/Berlin\0", 1]),
    ],
)
async def test_what_reaches_nobody_is_refused_by_its_field(api, field, values):
    """Each is 422 and points at the field, and the contact stays what it was."""
    user = new_user()
    async with api.service() as service:
        await service.put(f"/v1/users/{user}", json=KNOWN)
        for value in values:
            answer = await service.put(f"/v1/users/{user}", json={field: value})
            assert (answer.status_code, pointers(answer)) == (422, [f"#/{field}"]), value
        assert (await service.get(f"/v1/users/{user}")).json() == {"user_id": user, **KNOWN}


async def test_a_user_registers_shows_and_forgets_a_device(api):
    """A token with what it is; once forgotten it is not found, not even to be forgotten again."""
    path, said = f"/v1/devices/{new_user('token')}", {"platform": "web"}
    async with api.user(new_user()) as client:
        put = await client.put(path, json=said)
        assert (put.status_code, put.json()["kind"], put.json()["platform"]) == (200, "token", "web")
        await client.put(path, json={"platform": "android", "kind": "fid"})
        assert (await client.get(path)).json() == put.json() | {"platform": "android", "kind": "fid"}
        assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 404]
        assert (await client.get(path)).status_code == 404


async def test_a_token_moves_with_its_user(api):
    """Whoever registers it last has it; the one before neither sees nor removes it."""
    first, second, token = new_user(), new_user(), new_user("token")
    async with api.user(first) as one, api.service() as service:
        await one.put(f"/v1/devices/{token}", json={"platform": "ios"})
        await service.put(f"/v1/users/{second}/devices/{token}", json={"platform": "ios"})
        assert (await one.get(f"/v1/devices/{token}")).status_code == 404
        assert (await one.delete(f"/v1/devices/{token}")).status_code == 404
        assert (await service.get(f"/v1/users/{second}/devices/{token}")).status_code == 200
        assert (await service.delete(f"/v1/users/{second}/devices/{token}")).status_code == 204


@pytest.mark.parametrize("token", ["a%20b", "%00", "%C3%BC", "x" * 1001])
async def test_what_cannot_be_a_token_is_refused_by_name(api, token):
    """Spaces, control characters, other scripts and overlong ones are 422 and point into the path."""
    async with api.user(new_user()) as client:
        answer = await client.put(f"/v1/devices/{token}", json={"platform": "web"})
    assert (answer.status_code, pointers(answer)) == (422, ["#/path/token"])


async def test_a_token_with_signs_of_its_own_is_one_segment(api):
    """FCM's tokens have colons, others slashes: percent-encoded, they are tokens like any other."""
    async with api.user(new_user()) as client:
        answer = await client.put(f"/v1/devices/a%2Fb:c_{new_user()}", json={"platform": "web"})
    assert answer.json()["token"].startswith("a/b:c_")
