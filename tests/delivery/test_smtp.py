import email
import email.policy

import pytest

from delivery.channel import Ambiguous, Permanent, Transient, Unauthorized
from delivery.smtp import Smtp
from tests.delivery.mail_server import MailServer
from tests.delivery.refusal import refused


@pytest.fixture
async def mail_server():
    async with MailServer() as server:
        yield server


@pytest.fixture
def edge(mail_server):
    return Smtp(f"smtp://127.0.0.1:{mail_server.port}", timeout_seconds=1)


def read(text):
    return email.message_from_bytes(text, policy=email.policy.default)


async def test_a_mail_carries_both_forms_and_the_unsubscribe_headers(mail_server, edge, message):
    """Text and HTML travel together, with additional headers, under an id derived from the key."""
    headers = {
        "List-Unsubscribe": "<https://hub.example.com/u/1>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    receipt = await edge.send(message("smtp", html="<p>It left — ✓</p>", headers=headers))
    mail = read(mail_server.accepted[0])
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Your order is on its way")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Message-ID"] == receipt.provider_id
    assert receipt.provider_id.endswith("@example.com>")
    assert mail.get_body(("html",)).get_content().strip() == "<p>It left — ✓</p>"
    assert mail.get_body(("plain",)).get_content().strip() == "It left the warehouse. ✓"


async def test_a_manual_replay_gets_another_id_and_a_repetition_the_same(edge, message):
    """The Message-ID follows the key."""
    ids = [(await edge.send(message("smtp", key=key))).provider_id for key in ("k1", "k1", "k2")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("answers", "kind", "fields"),
    [
        ({"rcpt": "550 no such user"}, Permanent, {"status": 550}),
        ({"rcpt": "451 try later"}, Transient, {"status": 451}),
        ({"mail": "421 too busy"}, Transient, {"status": 421}),
        ({"mail": "550 go away"}, Permanent, {"status": 550}),
        ({"mail": "cut"}, Transient, {"code": "no_answer"}),
        ({"rcpt": "cut"}, Transient, {"code": "no_answer"}),
        ({"data": "451 not now"}, Transient, {"status": 451}),
        ({"text": "554 looks like spam"}, Permanent, {"status": 554}),
        ({"text": "451 disk full"}, Transient, {"status": 451}),
        ({"text": "cut"}, Ambiguous, {"remedy": "give_up"}),
    ],
)
async def test_each_answer_of_a_mail_server_has_its_class(mail_server, edge, message, answers, kind, fields):
    """Until the text is on its way every ending is a refusal; after that, silence is ambiguous."""
    mail_server.answers = answers
    await refused(edge.send(message("smtp")), kind, **fields)
    assert mail_server.accepted == []


async def test_a_refused_login_is_our_own_problem(mail_server, message):
    """Bad credentials stop the provider, not the delivery."""
    mail_server.answers = {"auth": "535 wrong password"}
    edge = Smtp(f"smtp://us%40er:secret@127.0.0.1:{mail_server.port}", timeout_seconds=1)
    await refused(edge.send(message("smtp")), Unauthorized, status=535)


async def test_a_mail_server_that_cannot_be_reached_has_received_nothing(message):
    """Nobody listening is transient."""
    await refused(Smtp("smtp://127.0.0.1:9", timeout_seconds=1).send(message("smtp")), Transient, code="unreachable")


async def test_a_subject_cannot_smuggle_a_header(edge, message):
    """A line break in a subject is refused before anything is sent."""
    with pytest.raises(ValueError, match="linefeed"):
        await edge.send(message("smtp", title="Hi\r\nBcc: everybody@example.com"))
