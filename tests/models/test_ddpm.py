import itertools
import math

import pytest
import torch
from diffusers import DDIMScheduler

from unsung.devices import generators
from unsung.errors import UserError
from unsung.models import processes
from unsung.models.processes import ddpm

KINDS, SAMPLERS = ("data", "epsilon", "velocity"), ("ddpm", "ddim", "dpmsolver++")


def rngs(count=2, seed=0):
    return generators([(seed, i) for i in range(count)], torch.device("cpu"))


def make(prediction="data", schedule="cosine", timesteps=1000, condition_dropout=0.0, noisy_share=0.0, own_answers=0.0, **sampling):
    forward = {"schedule": schedule, "timesteps": timesteps, "prediction": prediction, "scale": 2.0}
    mended = {"condition_dropout": condition_dropout, "noisy_share": noisy_share, "own_answers": own_answers}
    settings = processes.settings("ddpm", {**forward, **mended})
    return processes.build("ddpm", settings.changed(**sampling))


def changed(process, **values):
    return processes.build("ddpm", process.settings.changed(**values))


def unasked(state, mixture, time):
    raise AssertionError("the network is not needed for this")


@pytest.fixture
def song():
    torch.manual_seed(0)
    a = torch.randn(2, 1, 1, 9, 11, dtype=torch.complex64)
    return a, a[:, 0] + torch.randn(2, 1, 9, 11, dtype=torch.complex64)


def perfect(process, a, y):
    """A network that knows the counterfactual and says it in the way the process wants."""

    def network(state, mixture, time):
        if process.settings.forward.prediction == "data":
            return (y.unsqueeze(1) - a) / y.unsqueeze(1)
        abar = process.abar[(time * (process.settings.forward.timesteps - 1)).round().long()].view(-1, 1, 1, 1, 1)
        x, x0 = process.diffused(state), process.diffused(a)
        noise = (x - abar.sqrt() * x0) / (1 - abar).sqrt()
        return noise if process.settings.forward.prediction == "epsilon" else abar.sqrt() * noise - (1 - abar).sqrt() * x0

    return network


def test_the_linear_schedule_is_that_of_the_paper():
    beta = torch.linspace(1e-4, 2e-2, 1000)
    torch.testing.assert_close(make(schedule="linear").abar, torch.cumprod(1 - beta, 0))


def test_the_cosine_schedule_is_that_of_the_paper():
    times = torch.arange(1001) / 1000
    level = torch.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2
    torch.testing.assert_close(make().abar[:-1], (level / level[0])[1:-1], atol=1e-5, rtol=1e-3)


def test_fewer_times_end_in_noise_too():
    assert (
        make(schedule="linear", timesteps=100, calls=20).abar[-1] < 1e-4
        and make(schedule="linear", timesteps=100, calls=20).abar[0] > 0.99
    )


def test_the_marginal_has_the_mean_and_the_spread_of_the_closed_form(song):
    a, _ = song
    process = make()
    x0, abar = process.diffused(a), process.abar[torch.tensor([200, 700])]
    draws = torch.stack([ddpm.marginal(x0, ddpm.gaussian(a, rngs(seed=seed)), abar) for seed in range(2000)])
    weight = abar.view(-1, 1, 1, 1, 1)
    assert ((draws.mean(0) - weight.sqrt() * x0).abs() / (1 - weight).sqrt()).mean() < 0.05
    parts = torch.view_as_real(draws - weight.sqrt() * x0).std(0)
    torch.testing.assert_close(parts, (1 - weight).sqrt().unsqueeze(-1).expand_as(parts), rtol=0.1, atol=1e-3)


def test_what_is_diffused_comes_back(song):
    a, _ = song
    torch.testing.assert_close(make().undiffused(make().diffused(a)), a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction", KINDS)
def test_the_goal_of_training_is_what_a_perfect_network_says(song, prediction):
    a, y = song
    process = make(prediction)
    shown = process.corrupt(unasked, a, y, rngs())
    assert shown.mixture.equal(y)
    if prediction == "data":
        assert shown.goal is None
    else:
        said = perfect(process, a, y)(shown.state, y, shown.time)
        torch.testing.assert_close(said, shown.goal, atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("calls", [1, 2, 6, 7, 20, 60])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("prediction", KINDS)
def test_a_perfect_network_is_followed_to_the_target(song, prediction, sampler, calls):
    a, y = song
    process = make(prediction, calls=calls, sampler=sampler)
    (found,) = process.sample(perfect(process, a, y), y, 1, rngs())
    exact = 1e-3 if prediction == "data" else 2e-2  # noise and velocity are not told apart from x(0) to the last digit
    torch.testing.assert_close(found, a, atol=exact, rtol=exact)


@pytest.mark.parametrize("prediction", KINDS)
def test_ddim_is_that_of_diffusers_where_the_steps_divide_the_times(prediction):
    kind, spacing = ddpm.KINDS[prediction], "trailing"
    theirs = DDIMScheduler(100, 1e-3, 0.2, "linear", clip_sample=False, prediction_type=kind, timestep_spacing=spacing)
    theirs.set_timesteps(5)
    abar = theirs.alphas_cumprod.tolist()
    times = theirs.timesteps.tolist()
    for eta in (0.0, 0.7):
        for t, s in itertools.pairwise(times):
            x, out = (torch.randn(2, 1, 1, 9, 11, dtype=torch.complex64) for _ in range(2))
            x0, noise = ddpm.split(out, x, abar[t], prediction)
            mine = ddpm.ddim(x0, noise, abar[t], abar[s], eta, rngs())
            fresh = torch.view_as_real(ddpm.gaussian(x, rngs()))
            expected = theirs.step(torch.view_as_real(out), t, torch.view_as_real(x), eta=eta, variance_noise=fresh).prev_sample
            torch.testing.assert_close(torch.view_as_real(mine), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prediction", KINDS)
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_network_that_errs_a_little_ends_near_the_target(song, prediction, schedule):
    """Predicted noise at a time without any signal would be blown up."""
    a, y = song
    process = make(prediction, schedule)

    def network(state, mixture, time):
        out = perfect(process, a, y)(state, mixture, time)
        return out + 0.05 * torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))

    (found,) = process.sample(network, y, 1, rngs())
    assert (found - a).abs().square().mean() < 0.1 * a.abs().square().mean()


def test_more_steps_than_times_are_one_line():
    with pytest.raises(UserError, match="ddpm has 1000 timesteps to sample at, not 1001; take fewer calls"):
        make().times(1001)
    with pytest.raises(UserError, match="has 500 timesteps"):
        make(start_time=0.5).times(600)
    with pytest.raises(UserError, match="calls / start_time must not exceed forward.timesteps"):
        make(calls=600, start_time=0.5)
    assert make().times(4) == [999, 749, 499, 249] and make(start_time=0.5).times(2) == [499, 249]
    assert make().times(1000) == list(range(999, -1, -1))


@pytest.mark.parametrize("start", [0.3, 0.7])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_shallow_start_is_near_the_mixture_and_ends_at_the_target(song, sampler, start):
    a, y = song
    process, seen = make(calls=6, sampler=sampler, start_time=start), []

    def network(state, mixture, time):
        seen.append((float(time[0]), state))
        return perfect(process, a, y)(state, mixture, time)

    (found,) = process.sample(network, y, 1, rngs())
    torch.testing.assert_close(found, a, atol=5e-2, rtol=2e-2)
    times = [time for time, _ in seen]
    assert len(times) == 6 and times == sorted(times, reverse=True) and times[0] == pytest.approx(start, abs=0.06)
    abar = process.abar[round(times[0] * 999)]
    first = process.diffused(seen[0][1]) - abar.sqrt() * process.diffused(y.unsqueeze(1))
    assert torch.view_as_real(first).std() == pytest.approx(float((1 - abar).sqrt()), rel=0.1)


def uncertain(state, mixture, time):
    """Masks that depend on everything there is."""
    return 0.3 + 0.2 * state.abs().tanh() + 0.1 * mixture.abs().tanh().unsqueeze(1) + 0j * time.view(-1, 1, 1, 1, 1)


def test_ddim_without_eta_looks_at_the_seed_for_its_start_only(song):
    _, y = song
    process = make(calls=5)
    found = process.sample(uncertain, y, 1, rngs())
    assert torch.equal(found, process.sample(uncertain, y, 1, rngs()))
    generators_used = rngs()
    process.sample(uncertain, y, 1, generators_used)
    start_only = rngs()
    ddpm.gaussian(y.unsqueeze(1), start_only)
    for one, other in zip(generators_used, start_only, strict=True):
        assert torch.equal(one.get_state(), other.get_state())
    changed(process, eta=1.0).sample(uncertain, y, 1, generators_used)
    assert not torch.equal(generators_used[0].get_state(), start_only[0].get_state())


@pytest.mark.parametrize("prediction", KINDS)
def test_guidance_of_one_is_no_guidance_and_more_leans_on_the_condition(song, prediction):
    _, y = song
    process, calls = make(prediction, schedule="linear", calls=3), []

    def network(state, mixture, time):
        calls.append(bool(mixture.any()))
        return uncertain(state, mixture, time)

    plain = process.sample(network, y, 1, rngs())
    assert torch.equal(changed(process, guidance=1.0).sample(network, y, 1, rngs()), plain) and all(calls) and len(calls) == 6
    calls.clear()
    guided = changed(process, guidance=2.0).sample(network, y, 1, rngs())
    assert calls == [True, False] * 3 and not torch.allclose(guided, plain)
    calls.clear()

    def unseeing(state, mixture, time):
        return uncertain(state, torch.zeros_like(mixture), time)

    blind = changed(process, guidance=0.0).sample(network, y, 1, rngs())
    torch.testing.assert_close(blind, process.sample(unseeing, y, 1, rngs()))
    one = {}
    for guidance in (0.0, 1.0, 2.0):
        (found,) = changed(process, calls=1, guidance=guidance).sample(network, y, 1, rngs())
        one[guidance] = process.diffused(found)
    torch.testing.assert_close(one[2.0], 2 * one[1.0] - one[0.0], atol=1e-4, rtol=1e-3)


def test_the_condition_is_dropped_as_often_as_asked(song):
    a, y = song
    many_a, many_y = a[:1].expand(400, -1, -1, -1, -1), y[:1].expand(400, -1, -1, -1)
    shown = make(condition_dropout=0.3).corrupt(unasked, many_a, many_y, rngs(400))
    hidden = ~shown.mixture.flatten(1).any(1)
    assert hidden.float().mean() == pytest.approx(0.3, abs=0.06)
    assert shown.time.min() < 0.05 and shown.time.max() > 0.95


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_item_does_not_depend_on_its_neighbours(song, sampler):
    _, y = song
    process = make(calls=4, sampler=sampler, eta=0.5)
    both = process.sample(uncertain, y, 1, rngs())
    alone = process.sample(uncertain, y[1:], 1, rngs()[1:])
    torch.testing.assert_close(alone, both[:, 1:], atol=1e-5, rtol=1e-4)


def test_as_many_samples_are_drawn_as_asked(song):
    _, y = song
    alone = torch.cat([make(calls=2).sample(uncertain, y, 1, rngs(seed=seed)) for seed in range(100)])
    together = make(calls=2, draws=100).sample(uncertain, y, 1, rngs())
    assert together.shape == alone.shape
    assert (together.mean(0) - alone.mean(0)).abs().mean() < 0.3 * alone.std(0).mean()


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_noisy_times_are_as_frequent_as_asked_for(song, schedule):
    a, y = (part[:1].expand(1000, *part.shape[1:]) for part in song)
    process = make(schedule=schedule, noisy_share=0.75)
    abar = process.abar[(process.corrupt(unasked, a, y, rngs(1000)).time * 999).round().long()]
    even = float((process.abar < ddpm.NOISY_ABAR).float().mean())
    assert float((abar < ddpm.NOISY_ABAR).float().mean()) == pytest.approx(0.75 + 0.25 * even, abs=0.05)


def test_own_answers_stand_for_the_truth_in_the_state_and_no_gradient_goes_into_them(song):
    a, y = song
    share, seen = torch.tensor(0.5 + 0j, requires_grad=True), []

    def half(state, mixture, time):
        seen.append((state, time))
        return share * torch.ones_like(mixture).unsqueeze(1)

    mended = make(own_answers=1.0).corrupt(half, a, y, rngs())
    assert not mended.state.requires_grad and mended.goal is None
    [(state, time)] = seen
    assert (time == 1).all() and not torch.equal(state, mended.state)
    shown = [make(own_answers=1.0).corrupt(half, a, y, rngs(seed=seed)) for seed in range(300)]
    clean = torch.stack([one.state[0] for one in shown if one.time[0] < 0.02])
    assert (clean - 0.5 * y[0]).abs().mean() < 0.2 * (clean - a[0]).abs().mean()


def test_without_its_switches_training_draws_what_it_drew_before_them(song):
    a, y = song
    assert torch.equal(make().corrupt(unasked, a, y, rngs()).state, make(noisy_share=0.0).corrupt(unasked, a, y, rngs()).state)
    drawn = rngs()
    time = torch.stack([torch.rand(2, generator=rng)[0] for rng in drawn])
    steps = (time * 1000).long()
    x0, noise = make().diffused(a), ddpm.gaussian(a, drawn)
    shown = make().corrupt(unasked, a, y, rngs())
    torch.testing.assert_close(shown.state, make().undiffused(ddpm.marginal(x0, noise, make().abar[steps])))


def test_own_answers_are_for_a_network_that_predicts_data():
    with pytest.raises(UserError, match="prediction data"):
        make("epsilon", own_answers=0.5)
