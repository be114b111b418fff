"""The scorer behind MLServer: in the server's own process (no parallel worker), its V2 protocol."""

import numpy as np
import scorer
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Scorer(MLModel):
    """The model in the server's memory."""

    async def load(self) -> bool:
        """Loads the model."""
        self.model = scorer.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Ids and scores."""
        history, count = payload.inputs
        items, scores = scorer.rank(
            self.model, StringCodec.decode_input(history), int(NumpyCodec.decode_input(count).flat[0])
        )
        outputs = [StringCodec.encode_output("items", items), NumpyCodec.encode_output("scores", np.array(scores))]
        return InferenceResponse(model_name=self.name, outputs=outputs)
