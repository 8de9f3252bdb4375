"""Teacher, queue, bank and the momentum's schedule: fixed points, order, gradients, and what a checkpoint holds."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.methods.base import At
from audiossl.methods.state import Bank, Queue, Teacher, ema_momentum

DIM = 4


def student(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, DIM))


def moved(module: nn.Module) -> nn.Module:
    """A copy whose parameters are elsewhere."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        for p in other.parameters():
            p += torch.randn_like(p)
    return other


def copies(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def directions(n: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)


# The schedule


@pytest.mark.shared
def test_the_momentum_follows_the_papers_schedule(shared):
    expected = np.load(shared / "reference/losses.npz")["arr/ema_tau/paper/tau"]
    seen = [ema_momentum(0.99, 1.0, At(step, len(expected), 0.0)) for step in range(len(expected))]
    assert seen == pytest.approx(expected, abs=1e-15)
    assert sum(seen) == pytest.approx(99.495, rel=1e-9)


def test_the_momentum_starts_at_its_base_and_ends_at_its_final_value():
    at = [At(step, 8, 0.0) for step in (0, 4, 8)]
    assert [ema_momentum(0.9, 0.98, one) for one in at] == pytest.approx([0.9, 0.94, 0.98])
    assert all(ema_momentum(0.99, 0.99, one) == 0.99 for one in at)


# The teacher


def test_a_teacher_starts_as_a_copy_that_shares_nothing():
    one = student()
    teacher = Teacher(one)
    x = torch.randn(6, 3)
    assert torch.equal(teacher(x), one(x))
    before = copies(teacher)
    with torch.no_grad():
        one[0].weight.zero_()
    assert all(map(torch.equal, before, copies(teacher)))


def test_a_teacher_passes_no_gradient_and_has_none():
    teacher = Teacher(student())
    x = torch.randn(6, 3, requires_grad=True)
    assert not teacher(x).requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99, 0.996, 1.0])
def test_a_teacher_equal_to_its_student_stays_so_bit_for_bit(momentum):
    one = student()
    teacher = Teacher(one)
    for _ in range(10):
        teacher.update(one, momentum)
    assert all(map(torch.equal, copies(teacher), copies(one)))


def test_momentum_one_freezes_and_momentum_zero_copies():
    teacher, other = Teacher(student()), moved(student())
    before = copies(teacher)
    teacher.update(other, 1.0)
    assert all(map(torch.equal, copies(teacher), before))
    teacher.update(other, 0.0)
    assert all(map(torch.equal, copies(teacher), copies(other)))


def test_an_update_is_the_moving_average_of_every_parameter():
    teacher, other = Teacher(student()), moved(student())
    expected = [0.7 * old + 0.3 * new for old, new in zip(copies(teacher), copies(other), strict=True)]
    teacher.update(other, 0.7)
    assert all(torch.allclose(seen, one, atol=1e-7) for seen, one in zip(copies(teacher), expected, strict=True))


def test_a_thousand_small_updates_add_up():
    """The same in bf16 would not move at all: each update is below its rounding."""
    one = nn.Linear(2, 2)
    nn.init.zeros_(one.weight)
    teacher = Teacher(one)
    nn.init.constant_(one.weight, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(1000):
            teacher.update(one, 0.999)
    assert torch.allclose(teacher.module.weight, torch.full((2, 2), 0.5 * (1 - 0.999**1000)), rtol=1e-4)
    assert teacher.module.weight.dtype == torch.float32


def test_batch_norm_of_a_teacher_follows_its_own_batches():
    one = student()
    teacher = Teacher(one)
    for _ in range(3):
        one(torch.randn(6, 3) + 5)
    teacher.update(one, 0.0)
    assert int(teacher.module[1].num_batches_tracked) == 0
    teacher(torch.randn(6, 3))
    assert int(teacher.module[1].num_batches_tracked) == 1


def test_averaged_norms_are_moving_averages_of_the_students_and_tell_nothing_of_the_batch():
    one = student()
    teacher = Teacher(one, average_norms=True)
    own, other = teacher.module[1], one[1]
    for _ in range(4):
        one(torch.randn(6, 3) + 5)
        expected = 0.7 * own.running_mean + 0.3 * other.running_mean, 0.7 * own.running_var + 0.3 * other.running_var
        teacher.update(one, 0.7)
        assert torch.allclose(own.running_mean, expected[0])
        assert torch.allclose(own.running_var, expected[1])
    x = torch.randn(6, 3)
    assert torch.allclose(teacher(x)[:2], teacher(x[:2]), atol=1e-6)
    assert torch.allclose(own.running_mean, expected[0]), "its own batches do not move them"
    with_own_batches = Teacher(one).train()
    assert not torch.allclose(with_own_batches(x)[:2], with_own_batches(x[:2]), atol=1e-3)


def test_a_teacher_is_an_average_in_the_students_memory_layout_too():
    one = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    teacher = Teacher(nn.Conv2d(3, 4, 3))
    teacher.update(one, 0.0)
    assert torch.equal(teacher.module.weight, one.weight)


# The queue


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 12), batches=st.lists(st.integers(0, 30), max_size=12))
def test_a_queue_holds_exactly_the_last_rows_each_in_its_turn(size, batches):
    queue = Queue(size, DIM)
    start = queue.rows.clone()
    pushed = list(directions(sum(batches)))
    done = 0
    for n in batches:
        if n:
            queue.push(torch.stack(pushed[done : done + n]))
        done += n
        expected = start.clone()
        for turn, row in enumerate(pushed[:done]):
            expected[turn % size] = row
        assert torch.allclose(queue.rows, expected, atol=1e-6)
        assert queue.full == (done >= size)


def test_a_queue_starts_with_directions_and_keeps_lengths_of_one():
    queue = Queue(9, DIM)
    assert torch.allclose(queue.rows.norm(dim=1), torch.ones(9))
    assert not queue.full
    queue.push(100 * torch.randn(5, DIM))
    assert torch.allclose(queue.rows.norm(dim=1), torch.ones(9))


@pytest.mark.parametrize("memory", [Queue(6, DIM), Bank(6, DIM)])
def test_what_a_loss_has_used_stays_until_its_backward_pass(memory):
    z = torch.randn(4, DIM, requires_grad=True)
    expected = 2 * (z.detach() @ memory.rows.T) @ memory.rows
    loss = (z @ memory.rows.T).square().sum()
    if isinstance(memory, Queue):
        memory.push(z)
    else:
        memory.write(torch.arange(4), z)
    loss.backward()
    assert torch.allclose(z.grad, expected, atol=1e-5)
    assert not memory.rows.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_queue_and_bank_stay_float32(dtype):
    queue, bank = Queue(6, DIM), Bank(6, DIM)
    queue.push(torch.randn(4, DIM).to(dtype))
    bank.write(torch.arange(4), torch.randn(4, DIM).to(dtype))
    assert queue.rows.dtype == bank.rows.dtype == torch.float32
    assert torch.allclose(bank.rows.norm(dim=1), torch.ones(6))


def test_a_checkpoint_holds_the_queue_and_its_place():
    whole, resumed = Queue(7, DIM), Queue(7, DIM)
    whole.push(directions(5, 1))
    assert set(whole.state_dict()) == {"rows", "pushed"}
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for queue in (whole, resumed):
        queue.push(directions(4, 2))
    assert torch.equal(whole.rows, resumed.rows)
    assert int(whole.pushed) == int(resumed.pushed) == 9


# The bank


def test_a_bank_without_momentum_holds_the_last_embedding_of_every_clip():
    bank = Bank(8, DIM)
    z = directions(8)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    for part in order.chunk(3):
        bank.write(part, 5 * z[part])
    assert torch.allclose(bank.rows, z, atol=1e-6)
    assert bank.filled.all()


def test_a_bank_mixes_directions_and_leaves_other_clips_alone():
    bank = Bank(8, DIM)
    before, z, index = bank.rows.clone(), 30 * directions(2), torch.tensor([5, 2])
    bank.write(index, z, momentum=0.6)
    expected = before.clone()
    for row, number in zip(z, index, strict=True):
        mixed = 0.6 * before[number] + 0.4 * row / row.norm()
        expected[number] = mixed / mixed.norm()
    assert torch.allclose(bank.rows, expected, atol=1e-6)
    assert bank.filled.nonzero().flatten().tolist() == [2, 5]


def test_a_checkpoint_holds_the_bank_and_what_was_written():
    bank, resumed = Bank(6, DIM), Bank(6, DIM)
    bank.write(torch.tensor([1, 4]), directions(2))
    resumed.load_state_dict(copy.deepcopy(bank.state_dict()))
    assert torch.equal(bank.rows, resumed.rows)
    assert resumed.filled.tolist() == [False, True, False, False, True, False]


def test_half_a_cosine_is_steepest_in_its_middle():
    steps = [ema_momentum(0.5, 1.0, At(step, 100, 0.0)) for step in range(101)]
    rises = np.diff(steps)
    assert (rises > 0).all()
    assert rises.argmax() in (49, 50)
    assert rises.max() == pytest.approx(0.5 * math.pi / 200, rel=1e-3)
