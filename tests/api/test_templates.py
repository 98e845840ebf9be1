"""Templates: saved in versions, refused when they cannot work, previewed as they are sent."""

import asyncio
import itertools

import pytest

from tests.api.calls import pointers, publication

_numbers = itertools.count()
WORDS = {"title": "Order {{ order }}", "body": "It is {{ state }}."}


@pytest.fixture
def path():
    """The address of a template nobody else uses."""
    return f"/v1/templates/order.shipped{next(_numbers)}/email/en"


async def test_a_template_is_saved_in_versions(api, path):
    """Each change is a new version, in force at once; the older ones stay to be looked at; the same is not new."""
    async with api.service() as service:
        first = await service.put(path, json=WORDS)
        again = await service.put(path, json=WORDS)
        second = await service.put(path, json=WORDS | {"title": "Yours"})
        shown = await service.get(path)
        old = await service.get(path, params={"version": 1})
    assert [answer.status_code for answer in (first, again, second)] == [201, 200, 201]
    assert [answer.json()["version"] for answer in (first, again, second)] == [1, 1, 2]
    assert shown.json() == second.json()
    assert old.json()["title"] == "Order {{ order }}"


async def test_versions_do_not_collide(api, path):
    """Ten at once on two nodes become ten versions."""

    async def save(number):
        async with api.service(number % 2) as service:
            return (await service.put(path, json=WORDS | {"title": str(number)})).json()["version"]

    assert sorted(await asyncio.gather(*(save(number) for number in range(10)))) == list(range(1, 11))


async def test_a_preview_is_what_is_sent(api, path):
    """Subject in one line, text plain, HTML escaped and laid out; the link is absolute."""
    said = {"title": "Order\n{{ order }}", "body": "Hi {{ name }}", "html": "<p>Hi <b>{{ name }}</b></p>"}
    asked = {"variables": {"order": 7, "name": "<Ada>"}, "notification": {"action_url": "/orders/7"}}
    async with api.service() as service:
        await service.put(path, json=said)
        shown = (await service.post(f"{path}/preview", json=asked)).json()
    assert (shown["title"], shown["text"]) == ("Order 7", "Hi <Ada>")
    assert "Hi <b>&lt;Ada&gt;</b>" in shown["html"]
    assert shown["html"].startswith("<!doctype html>")


async def test_a_missing_variable_is_named(api, path):
    """Preview refuses with 422 and says which variable is missing, instead of showing a hole."""
    async with api.service() as service:
        await service.put(path, json=WORDS)
        answer = await service.post(f"{path}/preview", json={"variables": {"order": 1}})
    assert answer.status_code == 422
    assert pointers(answer) == ["#/variables"]
    assert "'state' is undefined" in answer.json()["detail"]


async def test_a_draft_is_previewed_without_being_saved(api, path):
    """What is being written can be looked at; it is checked like one that is saved."""
    async with api.service() as service:
        shown = await service.post(f"{path}/preview", json={"template": {"body": "{{ title }}!"}})
        broken = await service.post(f"{path}/preview", json={"template": {"body": "{{ title"}})
        assert (await service.get(path)).status_code == 404
    assert shown.json()["text"] == "Title!"
    assert (broken.status_code, pointers(broken)) == (422, ["#/template/body"])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ({"title": "{{ x", "body": "b"}, "#/title"),
        ({"title": "t", "body": "{% if %}"}, "#/body"),
        ({"body": "b", "html": "{% frobnicate %}"}, "#/html"),
        ({"title": "t"}, "#/body"),
        ({"body": "b", "colour": "red"}, "#/colour"),
    ],
)
async def test_what_cannot_work_is_not_saved(api, path, words, where):
    """Syntax errors, missing and unknown fields: 422 with the field."""
    async with api.service() as service:
        answer = await service.put(path, json=words)
        assert answer.status_code == 422
        assert where in pointers(answer)
        assert (await service.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/templates/order/fax/en", "#/path/channel"),
        ("/v1/templates/order/email/e", "#/path/locale"),
        ("/v1/templates/a%2Fb/email/en", "#/path/category"),
    ],
)
async def test_a_place_that_cannot_be_is_refused(api, path, where):
    """Unknown channels, languages and categories: 422 with the part of the path."""
    async with api.service() as service:
        assert pointers(await service.put(path, json=WORDS)) == [where]


async def test_html_is_for_email(api):
    """An SMS with HTML is a mistake, and told so."""
    async with api.service() as service:
        answer = await service.put("/v1/templates/order/sms/en", json=WORDS | {"html": "<p>x</p>"})
    assert pointers(answer) == ["#/html"]


async def test_styles_are_moved_onto_the_elements(api, path):
    """Mail programs drop style sheets; variables in the text survive the move."""
    html = "<style>p { color: red }</style><p>{{ name }}</p>"
    async with api.service() as service:
        saved = (await service.put(path, json=WORDS | {"html": html})).json()
    assert '<p style="color: red;">{{ name }}</p>' in saved["html"]


async def test_a_template_cannot_leave_its_sandbox(api, path):
    """Reaching for Python's inside is an error for the author, not an answer."""
    async with api.service() as service:
        for escape in ("{{ ''.__class__.__mro__ }}", "{{ data.__init__.__globals__ }}", "{{ range(10**9) | list }}"):
            answer = await service.post(f"{path}/preview", json={"template": {"body": escape}})
            assert answer.status_code == 422, escape


async def test_templates_belong_to_a_tenant(api, path):
    """Another tenant's template is not there."""
    async with api.service() as ours, api.service(key=await api.key(tenant="other")) as theirs:
        await ours.put(path, json=WORDS)
        assert (await theirs.get(path)).status_code == 404


async def test_a_publish_without_its_variables_is_refused(api, path):
    """A template in force decides at once: 422 names what is missing, alone and in a batch; nothing is stored."""
    category = path.split("/")[3]
    bad = publication(category=category, channels=["email"])
    good = publication(category=category, channels=["email"], variables={"order": 7, "state": "packed"})
    elsewhere = publication(category=category, channels=["sms"])
    async with api.service() as service:
        await service.put(path, json=WORDS)
        refused = await service.post("/v1/notifications", json=bad)
        batch = (await service.post("/v1/notifications/batch", json={"items": [good, bad, elsewhere]})).json()
    assert refused.status_code == 422
    assert pointers(refused) == ["#/variables"]
    assert "'order' is undefined" in refused.json()["detail"]
    assert [result["status"] for result in batch["results"]] == [201, 422, 201]
    assert (await api.inbox(bad["to"]))["items"] == []
