"""The deploy files name only what exists. No container engine runs here, so everything about them that can be checked without one is."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

from docs import settings as settings_table
from schemas.config.duration import parse_duration
from services import app
from services.notifier import subscriptions
from services.notifier.names import load_names
from services.notifier.settings import NotifierSettings
from services.runtime.config_files import ConfigDir
from services.runtime.settings import SECRETS_DIR, RuntimeSettings
from services.store.secrets import open_cipher

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
PROMETHEUS = YAML(typ="safe").load((DEPLOY / "prometheus" / "prometheus.yml").read_text())

SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "chipwire"}
OTHERS = {name: service for name, service in SERVICES.items() if name not in OURS}
LISTENS = {"mail": {"8025", "1025"}, "prometheus": {"9090"}, "grafana": {"3000"}, "kafka": {"9092"}, "postgres": {"5432"}}
"""The ports of other people's images, as their documentation says."""


def instructions(word: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile."""
    return re.findall(rf"^{word} (.+)$", DOCKERFILE, re.MULTILINE)


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(" ".join(instructions("ENV"))))


def texts() -> Iterator[tuple[Path, str]]:
    for path in sorted([*DEPLOY.rglob("*"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]):
        if path.is_file() and "secrets" not in path.parts and "__pycache__" not in path.parts:
            yield path, path.read_text("utf-8")


@pytest.fixture(scope="module")
def secrets_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As make-secrets.sh fills it."""
    directory = tmp_path_factory.mktemp("deploy") / "secrets"
    make_secrets(directory)
    return directory


def make_secrets(directory: Path) -> str:
    return subprocess.run(["sh", DEPLOY / "make-secrets.sh", directory], check=True, capture_output=True, text=True).stdout


def environment(name: str, secrets: Path) -> dict[str, str]:
    """What a process of ours finds in its container."""
    written = image_environment() | SERVICES[name]["environment"]
    filled = {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for key, value in written.items() if key.startswith("CHIPWIRE_")}
    return {key: value.replace("/run/secrets", str(secrets)).replace("/etc/chipwire", str(DEPLOY / "config")) for key, value in filled.items()}


def test_the_compose_file_fits_its_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_three_services_run_as_processes_of_their_own() -> None:
    runs = {name: service["command"][1:] for name, service in OURS.items() if service["command"][0] == "run"}

    assert runs == {name: [name] for name in app.SERVICES}


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_ours(name: str) -> None:
    verbs = [word for word in SERVICES[name]["command"] if word not in app.SERVICES]

    done = subprocess.run([sys.executable, "-m", "services", *verbs, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert f" {' '.join(verbs)} [OPTIONS]" in done.stdout


def test_every_setting_that_is_named_anywhere_exists() -> None:
    known = {setting.variable for setting in app.all_settings()} | {f"{setting.variable}_FILE" for setting in app.all_settings() if setting.secret}
    known |= {SECRETS_DIR}

    named = [(path.name, word) for path, text in texts() for word in re.findall(r"CHIPWIRE_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)", text)]

    assert {path for path, _ in named} >= {"Dockerfile", "compose.yaml", "operations.md"}
    assert [(path, word) for path, word in named if word not in known and not word.startswith(("CHIPWIRE_TEST_", "CHIPWIRE_BENCH_"))] == []


@pytest.mark.parametrize("name", OURS)
def test_every_process_can_read_the_settings_it_is_given(name: str, secrets_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("CHIPWIRE_")]:
        monkeypatch.delenv(variable)
    for variable, value in environment(name, secrets_directory).items():
        monkeypatch.setenv(variable, value)

    runtime, own = app.load_settings((), app.SERVICES)

    assert isinstance(runtime, RuntimeSettings)
    assert runtime.http_host == "0.0.0.0"  # noqa: S104 inside the container
    assert runtime.broker.removeprefix("kafka:") in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    if name in ("classifier", "topics"):
        assert not runtime.store.get_secret_value()
        return
    store = make_url(runtime.store_url)
    postgres = SERVICES["postgres"]["environment"]
    assert (store.host, store.username, store.database) == ("postgres", postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
    assert store.password == (secrets_directory / "postgres-password").read_text().strip()
    if name == "notifier":
        notifier = own["notifier"]
        assert isinstance(notifier, NotifierSettings)
        assert notifier.smtp == "smtp://mail:1025"
        assert notifier.keys_file is not None
        open_cipher(notifier.keys_file, create=False)


def test_secrets_are_made_once_and_readable_in_the_container_alone(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    said = make_secrets(tmp_path / "secrets")

    assert said == ""
    assert before == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o444}


def test_the_image_is_built_once_and_never_looked_for_elsewhere() -> None:
    built = [service["build"] for service in OURS.values() if "build" in service]

    assert [(DEPLOY / build["context"] / build["dockerfile"]).resolve() for build in built] == [DEPLOY / "Dockerfile"]
    assert {service["pull_policy"] for service in OURS.values()} == {"never"}


def test_every_secret_is_declared_made_and_given_to_whoever_names_it(secrets_directory: Path) -> None:
    declared = {name: (DEPLOY / secret["file"]).resolve() for name, secret in COMPOSE["secrets"].items()}

    assert declared == {path.name: (DEPLOY / "secrets" / path.name).resolve() for path in secrets_directory.iterdir()}
    for name, service in SERVICES.items():
        named = {value.removeprefix("/run/secrets/") for value in service.get("environment", {}).values() if value.startswith("/run/secrets/")}
        assert named == set(service.get("secrets", ())), name


def test_no_password_stands_in_a_file() -> None:
    written = {key: value for service in SERVICES.values() for key, value in service.get("environment", {}).items()}

    assert [key for key in written if re.search("PASSWORD|TOKEN|SECRET|KEY", key) and not key.endswith(("_FILE", "_FILE__"))] == []


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_alone_and_something_listens_on_them(name: str) -> None:
    listens = {image_environment()["CHIPWIRE_HTTP_PORT"]} if name in OURS else LISTENS[name]

    for port in SERVICES[name].get("ports", ()):
        address, _, inside = port.split(":")
        assert address == "127.0.0.1"
        assert inside in listens


def test_prometheus_scrapes_every_service_on_its_port() -> None:
    (job,) = [each for each in PROMETHEUS["scrape_configs"] if each["job_name"] == "chipwire"]
    (names,) = job["dns_sd_configs"]

    assert set(names["names"]) == set(app.SERVICES)
    assert str(names["port"]) == image_environment()["CHIPWIRE_HTTP_PORT"] == instructions("EXPOSE")[0]
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = YAML(typ="safe").load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = YAML(typ="safe").load((provisioning / "dashboards" / "line.yaml").read_text())["providers"]
    mounts = {inside: outside for outside, inside, *_ in (volume.split(":") for volume in SERVICES["grafana"]["volumes"])}

    assert source["url"] == "http://prometheus:9090"
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (DEPLOY / mounts[str(home.parent)] / home.name).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_and_volume_that_is_mounted_exists(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        outside = volume.split(":")[0]
        assert (DEPLOY / outside).is_dir() if outside.startswith(".") else outside in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_whoever_is_waited_for_can_become_what_is_waited_for(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        if wanted["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", app.SERVICES)
def test_a_service_gets_the_time_it_takes_to_drain(name: str) -> None:
    letting_go = timedelta(seconds=3)

    assert parse_duration(SERVICES[name]["stop_grace_period"]) > RuntimeSettings().drain + letting_go


@pytest.mark.parametrize("name", OURS)
def test_processes_of_ours_can_do_little_harm(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert any(mount.startswith(f"{image_environment()['CHIPWIRE_DATA_DIR']}:uid=10001") for mount in service["tmpfs"])


def test_the_subscriptions_to_begin_with_are_valid_and_reach_the_mail_catcher() -> None:
    (account,) = subscriptions.of_team(ConfigDir(DEPLOY / "config"), {}, load_names(ConfigDir()))

    assert [destination.kind for destination in account.destinations] == ["email", "terminal"]
    assert SERVICES["notifier"]["environment"]["CHIPWIRE_CONFIG"] == SERVICES["notifier"]["volumes"][0].split(":")[1]


def test_the_image_copies_only_what_exists_and_is_let_through() -> None:
    let_through = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for line in instructions("COPY") if not line.startswith("--from") for source in line.split()[:-1]}

    assert copied == let_through
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_the_image_installs_the_lock_by_hash_and_nothing_else() -> None:
    installs = [line for line in instructions("RUN") if " install " in line and "pip" in line]

    assert [("--require-hashes -r requirements.lock" in line) or ("--no-deps --no-build-isolation ." in line) for line in installs] == [True, True]


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    (user,) = instructions("USER")
    home = image_environment()["CHIPWIRE_DATA_DIR"]

    assert user == "10001:10001"
    assert instructions("VOLUME") == [home]
    assert any(f"--owner 10001 --group 10001 --mode 0700 {home}" in line for line in instructions("RUN"))


def test_the_image_is_the_command() -> None:
    assert [json.loads(line) for line in instructions("ENTRYPOINT")] == [["chipwire"]]
    assert [json.loads(line) for line in instructions("CMD")] == [["run"]]


def test_images_are_pinned_and_name_no_host() -> None:
    images = [*(line.split()[0] for line in instructions("FROM")), *(service["image"] for service in OTHERS.values())]

    assert [image for image in images if not re.fullmatch(r"([a-z]+/)?[a-z]+:v?[0-9][0-9.]*[0-9](-slim)?", image)] == []


def test_kafka_is_the_version_that_the_tests_run_on() -> None:
    pom = (ROOT / "tests" / "kafka" / "pom.xml").read_text()

    tested = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)</version>", pom)

    assert tested is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested[1]}"


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is http.server's
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="livez")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def healthcheck(port: int) -> int:
    (line,) = instructions("HEALTHCHECK")
    program, *arguments = json.loads(line[line.index("[") :])
    assert program == "python"
    return subprocess.run([sys.executable, *arguments], env={"CHIPWIRE_HTTP_PORT": str(port)}, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_whether_the_process_lives(status: int, code: int) -> None:
    with answering(status) as port:
        assert healthcheck(port) == code


def test_the_health_check_fails_when_nothing_listens() -> None:
    assert healthcheck(9) == 1


def test_the_table_of_settings_is_current() -> None:
    assert settings_table.written() == settings_table.table(), "run: python -m docs.settings"
