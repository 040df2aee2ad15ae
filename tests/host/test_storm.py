"""A host that does everything at once (storm.c), for the thread sanitizer.

T-017: eight senders in three modes, setters and getters, servers with
callbacks that are closed and opened, while clients come and go.
"""
import poplib
import smtplib
import threading
import time

from hosts import BODY, ONE_MX, Host, NameServer, Sink, free_port, main, way_out

SECONDS = 10


def one_client(ports, number):
    if number % 2:
        with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=120) as smtp:
            smtp.sendmail("c@c.test", ["demo@mail.test"], BODY)
        return
    box = poplib.POP3("127.0.0.1", ports["pop3"], timeout=120)
    box.user("demo")
    box.pass_("secret")
    if box.stat()[0]:
        box.retr(1)
        box.dele(1)
    box.quit()


def come_and_go(ports, is_over, served):
    number = 0
    while not is_over.is_set():
        number += 1
        try:
            one_client(ports, number)
            served.append(number % 2)
        except (OSError, EOFError, smtplib.SMTPException, poplib.error_proto):
            # Refused by a callback, or its server has just been closed.
            time.sleep(0.02)


def test_t017_storm(build):
    ports = {"smtp": free_port(), "pop3": free_port()}
    is_over = threading.Event()
    served = []
    refusals = iter(range(10 ** 9))

    def rcpt(_):
        number = next(refusals)
        return "550 5.1.1 no" if number % 11 == 0 else (
            "450 4.2.0 later" if number % 7 == 0 else "250 2.1.5 ok")
    with NameServer({**ONE_MX, ("y.test", "A"): ["127.0.0.1"]}) as dns, \
            Sink(replies={"RCPT": rcpt}) as sink, \
            Host(build, "storm", "b@x.test", "127.0.0.1", sink.port, SECONDS,
                 settings=way_out(
                     dns, sink.port,
                     smtp__listen=f"127.0.0.1:{ports['smtp']}",
                     pop3__listen=f"127.0.0.1:{ports['pop3']}")) as host:
        host.port("smtp")
        clients = [threading.Thread(target=come_and_go,
                                    args=(ports, is_over, served))
                   for _ in range(6)]
        for client in clients:
            client.start()
        try:
            end = host.wait_log(r"^storm written=(\d+) ended=(\d+) done=(\d+) "
                                r".*asked=(\d+) settings=(\d+) openings=(\d+)",
                                300)
        finally:
            is_over.set()
            for client in clients:
                client.join(60)
        print(end[0], "served:", len(served), "sink:", len(sink.messages))
        assert all(int(number) > 0 for number in end.groups()), end[0]
        assert end[2] == end[3], end[0]
        assert served.count(0) and served.count(1), "no client was served"
        assert host.end() == 0, host.lines


def test_shutdown_under_way(build):
    """Literal recipients: what begins anew has no settings of ours."""
    with Sink() as sink, \
            Host(build, "restart", "b@[127.0.0.1]", 10, settings={
                "delivery.port": sink.port, "delivery.tls": "off",
                "general.drain": "5s"}) as host:
        assert host.end(300) == 0, host.lines[-20:]
        end = host.said(r"^restart begun=(\d+) done=(\d+) ")
        print(end[0].string, "sink:", len(sink.messages))
        assert int(end[0][1]) > 10 and int(end[0][2]) > 0


main(__name__, test_t017_storm, test_shutdown_under_way)
