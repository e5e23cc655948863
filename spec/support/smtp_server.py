"""An SMTP server for specs, by aiosmtpd. It prints "ready PORT", and what arrives as a line of JSON, taken
apart by Python's own email package.

usage: smtp_server.py MODE CERT KEY
MODE   plain, starttls or smtps; with +auth it wants the user "ann" with the password "secret"
"""
import asyncio
import hashlib
import json
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult

REFUSED = {
    "no": "550 5.1.1 no such mailbox",
    "later": "451 4.2.1 try again later",
    "bye": "421 4.3.2 going down",
}
VERDICTS = {"refuse 5xx": "554 5.7.1 not wanted", "refuse 4xx": "452 4.3.1 no room"}


def part_of(part):
    content = part.get_payload(decode=True)
    return {
        "type": part.get_content_type(),
        "charset": part.get_content_charset(),
        "encoding": part["Content-Transfer-Encoding"],
        "disposition": part.get_content_disposition(),
        "filename": part.get_filename(),
        "text": part.get_content() if part.get_content_maintype() == "text" and len(content) < 2000000 else None,
        "length": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "defects": [str(d) for d in part.defects],
    }


def seen(server, envelope, session):
    mail = message_from_bytes(envelope.content, policy=policy.default)
    return {
        "from": envelope.mail_from,
        "options": envelope.mail_options,
        "to": envelope.rcpt_tos,
        "tls": server.transport.get_extra_info("ssl_object") is not None,
        "user": (session.auth_data or b"").decode(),
        "peer": session.peer[1],
        "headers": [[name, str(value)] for name, value in mail.items()],
        "type": mail.get_content_type(),
        "parts": [part_of(p) for p in mail.walk() if not p.is_multipart()],
        "defects": [str(d) for d in mail.defects],
        "size": len(envelope.content),
        "longest": max(len(line) for line in envelope.content.split(b"\r\n")),
        "bare": envelope.content.replace(b"\r\n", b"").count(b"\n"),
    }


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = REFUSED.get(address.split("@")[0])
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        what = seen(server, envelope, session)
        verdict = VERDICTS.get(dict(what["headers"]).get("Subject"))
        print(json.dumps(what), flush=True)
        return verdict or "250 2.0.0 queued as 42"


def authenticate(server, session, envelope, mechanism, data):
    if (data.login, data.password) != (b"ann", b"secret"):
        return AuthResult(success=False, handled=False)
    return AuthResult(success=True, auth_data=data.login)


async def main(mode, cert, key):
    mode, _, auth = mode.partition("+")
    context = None
    if mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    options = {"hostname": "spec.example", "data_size_limit": 40000000}
    if mode == "starttls":
        options.update(tls_context=context, require_starttls=True)
    if auth:
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=mode == "starttls")

    def connection():
        return SMTP(Handler(), **options)

    listener = await asyncio.get_running_loop().create_server(
        connection, "127.0.0.1", 0, ssl=context if mode == "smtps" else None
    )
    print("ready", listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


asyncio.run(main(*sys.argv[1:]))
