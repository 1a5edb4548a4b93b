"""The saga of the demo: what a service would write over the story's three actions."""

from ...actions.onboarding import Contact, NewUser, Onboarding, User, Welcome
from ...saga.definition import Saga, saga
from ...saga.run import Run


def onboarding_saga(onboarding: Onboarding) -> Saga[NewUser, User]:
    """Return the saga `onboard-user` over these actions."""

    @saga("onboard-user", version=1)
    async def onboard_user(run: Run, new_user: NewUser) -> User:
        user = await run.do(onboarding.create_user, new_user)
        await run.all(
            run.do(onboarding.send_welcome_email, Welcome(user_id=user.user_id, to=new_user.email)),
            run.do(onboarding.update_crm_contact, Contact(email=new_user.email, name=new_user.name)),
        )
        return user

    return onboard_user
