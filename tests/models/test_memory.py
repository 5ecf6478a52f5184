"""Networks leave the device when they are done, however they came to it."""

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, CpuOffload, add_hook_to_module
from torch import nn

from layerstudio.models.memory import activation_peak, released


class Traveller(nn.Linear):
    """Notes where it is sent, and does not go: there is no second device here."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.path: list[str] = []

    def to(self, device):
        self.path.append(str(device))
        return self


def test_comes_for_the_work_and_leaves_after_it_even_if_it_fails():
    one, two = Traveller(), Traveller()
    with released(one, None, two, device="cuda:1"):
        assert one.path == two.path == ["cuda:1"]
    with pytest.raises(ValueError, match="broken"), released(one, device="cuda:1"):
        raise ValueError("broken")
    assert one.path == ["cuda:1", "cpu"] * 2
    assert two.path == ["cuda:1", "cpu"]


def test_on_a_cpu_there_is_nowhere_to_go():
    network = Traveller()
    with released(network, device="cpu"):
        pass
    assert network.path == []


def test_hooks_of_accelerate_are_left_in_charge():
    whole, by_layer = Traveller(), Traveller()
    add_hook_to_module(whole, CpuOffload(execution_device="cpu"))
    add_hook_to_module(by_layer, AlignDevicesHook(execution_device="cpu", offload=False))
    whole.path.clear()
    with released(whole, by_layer, device="cuda"):
        assert whole.path == by_layer.path == []
    assert whole.path == ["cpu"]
    assert by_layer.path == []


def test_the_peak_is_what_is_alive_at_once():
    def run() -> None:
        a = torch.zeros(100)  # 400 bytes
        b = a.view(10, 10) + 1  # another 400; the view takes none
        del a
        b.add_(1)  # in place
        torch.cat([b, b])  # 800 more

    assert activation_peak(run) == 1200


def test_weights_do_not_count():
    layer = nn.Linear(50, 50)
    rows = torch.zeros(3, 50)
    assert activation_peak(lambda: layer(rows)) == 3 * 50 * 4
