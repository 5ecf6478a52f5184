"""What the hub, the network or a person refuses; and where tokens go."""

import logging
from dataclasses import replace

import pytest
from hub_stand_in import Fault
from one_row import BODY, FILE, ID, REPOSITORY, pull, served

from layerstudio.errors import (
    InvalidRequest,
    MissingWeights,
)
from layerstudio.weights import consent, fetch, lock, registry, store, upkeep


class TestRefused:
    def test_unknown_repositories(self, hub):
        for token in (None, "hf_known"):
            with pytest.raises(MissingWeights, match="no repository nobody/nothing"):
                pull("nobody/nothing", token=token)

    def test_a_private_one_is_not_shown_without_a_token(self, hub):
        served(hub, private=True)
        with pytest.raises(MissingWeights, match="401") as caught:
            pull()
        assert "HF_TOKEN" in caught.value.advice
        assert (pull(token="hf_known") / FILE).read_bytes() == BODY

    @pytest.mark.parametrize("token", [None, "hf_known"])
    def test_gated_terms_name_the_page_and_how_to_give_a_token(self, hub, token):
        served(hub, gated=True)
        with pytest.raises(MissingWeights, match="gated") as caught:
            pull(token=token)
        assert f"{hub.endpoint}/{REPOSITORY}" in caught.value.advice
        assert "--token" in caught.value.advice
        assert (pull(token="hf_member") / FILE).read_bytes() == BODY

    def test_unknown_revisions(self, hub):
        hub.publish("somebody/model", {"a.safetensors": b"a"})
        with pytest.raises(MissingWeights, match="no revision 'v9'"):
            pull("somebody/model", revision="v9")
        with pytest.raises(InvalidRequest, match="registered at revision"):
            pull(ID, revision="v9")

    def test_a_file_that_the_repository_lost(self, hub):
        hub.publish(REPOSITORY, {"other.safetensors": b"x"})
        with pytest.raises(MissingWeights, match=f"no file '{FILE}' any more"):
            pull()

    def test_an_answer_that_is_no_hubs(self, hub):
        served(hub)
        hub.fail("info", Fault(corrupt=True))
        with pytest.raises(MissingWeights, match="did not answer as a hub"):
            pull()

    def test_no_network(self, hub, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(MissingWeights, match="could not be reached"):
            pull()

    @pytest.mark.parametrize("variable", ["LAYERSTUDIO_OFFLINE", "HF_HUB_OFFLINE", None])
    def test_offline(self, hub, monkeypatch, variable):
        served(hub)
        if variable:
            monkeypatch.setenv(variable, "1")
        with pytest.raises(MissingWeights, match="switched off"):
            pull(offline=variable is None)
        assert hub.requests == []

    def test_offline_finds_what_is_here(self, hub):
        served(hub)
        folder = pull()
        assert pull(offline=True) == folder

    def test_names_that_are_none(self, hub):
        for name in ("a/b/c", "../x", "a/.."):
            with pytest.raises(InvalidRequest):
                pull(name)
        assert hub.requests == []


class TestTerms:
    def test_nothing_is_fetched_before_they_are_accepted(self, hub):
        served(hub)
        with pytest.raises(InvalidRequest, match="not recorded") as caught:
            fetch.pull(ID)
        assert "--accept-licence" in caught.value.advice
        assert not hub.downloads(FILE)

    def test_they_are_asked_once(self, hub):
        served(hub)
        asked = []

        def agree(terms):
            asked.append(terms)
            return True

        fetch.pull(ID, ask=agree)
        upkeep.remove(ID)
        fetch.pull(ID, ask=agree)
        (terms,) = asked
        assert terms.url == registry.checkpoint(ID).licence.url

    def test_what_the_page_says_is_quoted_where_the_registry_knows_nothing(self, hub):
        served(hub, licence="openrail")
        with pytest.raises(InvalidRequest, match=r"not recorded.*its page says openrail now"):
            fetch.pull(ID)

    def test_doubtful_provenance_is_a_question_of_its_own(self, hub, monkeypatch):
        served(hub)
        doubtful = replace(registry.checkpoint(ID), provenance="Derived from withdrawn weights.")
        monkeypatch.setitem(registry._table(), ID, doubtful)
        with pytest.raises(InvalidRequest, match="withdrawn") as caught:
            pull()
        assert "--accept-provenance" in caught.value.advice
        assert not hub.downloads(FILE)
        pull(accept_provenance=True)

    def test_a_use_that_is_ruled_out_is_said(self):
        (terms,) = consent.terms_of(registry.checkpoint("flux-dev"))
        assert "no commercial use" in terms.text


class TestTokens:
    def test_they_reach_the_hub_and_nobody_else(self, hub, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        served(hub, private=True)
        hub.fail(FILE, Fault(status=404))
        with pytest.raises(MissingWeights) as caught:
            pull(token="hf_member")
        pull(token="hf_member")
        tokens = {one.path.split("/")[1]: one.token for one in hub.requests if FILE in one.path}
        assert tokens == {REPOSITORY.split("/")[0]: "hf_member", "cdn": None}
        said = caplog.text + "".join(capfd.readouterr()) + str(caught.value)
        assert "hf_member" not in said + lock.lock_path().read_text()


class TestDoubtfulWeights:
    """Neither the row's id nor the repository's own name leads around the question."""

    @pytest.mark.parametrize("name", ["cld", "thuteam/CLD", "thuteam/cld"])
    def test_provenance_is_asked_about(self, hub, name):
        row = registry.checkpoint("cld")
        files = dict.fromkeys(row.patterns, b"weights")
        hub.publish(row.repository if name == "cld" else name, files)
        with pytest.raises(InvalidRequest, match="illegally") as caught:
            pull(name)
        assert "--accept-provenance" in caught.value.advice
        folder = pull(name, accept_provenance=True)
        assert (folder / row.patterns[0]).read_bytes() == b"weights"

    @pytest.mark.parametrize("name", ["art", "ART-Release/ART_v1.0"])
    def test_what_was_withdrawn_is_not_fetched_and_not_advised(self, hub, name):
        row = registry.checkpoint("art")
        hub.publish(row.repository, {"transformer/a.safetensors": b"a", "transp_vae/b.pt": b"b"})
        with pytest.raises(MissingWeights, match="took it back"):
            pull(name, accept_provenance=True)
        with pytest.raises(MissingWeights, match="took it back") as caught:
            store.located("art")
        assert "pull" not in caught.value.advice
